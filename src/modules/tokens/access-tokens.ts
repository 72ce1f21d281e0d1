import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../shared/clock.js';
import { DomainError } from '../../shared/domain-error.js';
import { type AccessClaims, isCanonical, readAccessClaims, readTokenHeader } from './access-claims.js';
import type { SigningKeys } from './signing-keys.js';

export type AccessTokenRequest = {
  userId: string;
  sessionId: string;
  generation: number;
  authenticatedAt: Date;
  amr: string[];
  /** The database's time. */
  now: Date;
  /** The token does not outlive the session. */
  sessionExpiresAt: Date;
};

export type AccessTokens = ReturnType<typeof createAccessTokens>;

/** There is one client, the service's own apps; RFC 9068 §2.2 wants it named. */
const CLIENT_ID = 'gatehouse';

/** How many verified tokens are remembered: the tokens in use should fit, at about a kilobyte each. */
const REMEMBERED_TOKENS = 20_000;

type AccessTokensOptions = {
  keys: SigningKeys;
  clock: Clock;
  issuer: string;
  audience: string;
  lifetimeSeconds: number;
};

/** Makes and checks access tokens (JWT, RFC 9068). */
export function createAccessTokens({ keys, clock, issuer, audience, lifetimeSeconds }: AccessTokensOptions) {
  /** Keyed by the whole token: two tokens that differ anywhere are two tokens. */
  const verified = new LRUCache<string, AccessClaims>({ max: REMEMBERED_TOKENS });
  /** Up to which departure of a key what is remembered holds. */
  let departures = 0;

  return {
    issue(request: AccessTokenRequest): { token: string; expiresInSeconds: number } {
      const issuedAt = toSeconds(request.now);
      const expiresAt = Math.min(issuedAt + lifetimeSeconds, toSeconds(request.sessionExpiresAt));
      const claims: AccessClaims = {
        iss: issuer,
        aud: audience,
        sub: request.userId,
        sid: request.sessionId,
        gen: request.generation,
        iat: issuedAt,
        exp: expiresAt,
        jti: randomUUID(),
        client_id: CLIENT_ID,
        auth_time: toSeconds(request.authenticatedAt),
        amr: request.amr,
      };
      return { token: keys.active().sign(claims), expiresInSeconds: expiresAt - issuedAt };
    },

    /** The claims of a token that was verified lately, and has not expired since. The hot path: no crypto, no wait. */
    recall(token: string): AccessClaims | undefined {
      if (keys.departures() !== departures) {
        // A key is gone, and one that was revoked must take its tokens along. The others are verified once more.
        verified.clear();
        departures = keys.departures();
      }
      const claims = verified.get(token);
      return claims !== undefined && !hasExpired(claims) ? claims : undefined;
    },

    /** @throws DomainError `access_token_invalid`, `access_token_expired` */
    async verify(token: string): Promise<AccessClaims> {
      const before = keys.departures();
      const claims = await verifySignature(token);
      if (hasExpired(claims)) throw new DomainError('access_token_expired', { bearerError: 'invalid_token' });
      // Not if a key went meanwhile: it may be this token's.
      if (keys.departures() === before) verified.set(token, claims);
      return claims;
    },

    /** As `verify`, for the one place where an expired token still counts: to name the session that is to end. */
    verifyEvenExpired: verifySignature,
  };

  async function verifySignature(token: string): Promise<AccessClaims> {
    const header = isCanonical(token) ? readTokenHeader(token) : null;
    if (header === null) throw invalid();
    const key = keys.find(header.kid) ?? (await keys.findOrLookUp(header.kid));
    if (key === undefined || key.algorithm !== header.alg) throw invalid();
    const claims = readAccessClaims(verifyWith(key.verify, token));
    if (claims === null) throw invalid();
    return claims;
  }

  function hasExpired(claims: AccessClaims): boolean {
    return claims.exp * 1000 <= clock.now();
  }
}

function verifyWith(verify: (token: string) => unknown, token: string): unknown {
  try {
    return verify(token);
  } catch (cause) {
    throw invalid(cause);
  }
}

function invalid(cause?: unknown): DomainError {
  return new DomainError('access_token_invalid', { bearerError: 'invalid_token', cause });
}

function toSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
