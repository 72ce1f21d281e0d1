import type { FastifyInstance, FastifyRequest, preHandlerAsyncHookHandler } from 'fastify';
import type { EndedSessions } from '../modules/revocation/ended-sessions.js';
import type { AccessClaims } from '../modules/tokens/access-claims.js';
import type { AccessTokens } from '../modules/tokens/access-tokens.js';
import { readBearerToken } from '../shared/bearer-token.js';
import type { Clock } from '../shared/clock.js';
import { DomainError } from '../shared/domain-error.js';

export type GateOptions = {
  accessTokens: Pick<AccessTokens, 'recall' | 'verify'>;
  endedSessions: Pick<EndedSessions, 'reasonOf'>;
  /** The database's, by which tokens are dated. */
  clock: Clock;
  /** Called when this instance lets a token pass for the first time. */
  onFirstPass: (claims: AccessClaims) => void;
};

/**
 * Guards a scope: every route registered in it needs a valid access token of a session that still lives (RFC 6750).
 * No query is made; what is known of ended sessions is in memory.
 */
export function guard(scope: FastifyInstance, { accessTokens, endedSessions, clock, onFirstPass }: GateOptions): void {
  scope.addHook('preHandler', async (request) => {
    const token = readBearerToken(request);
    if (token === undefined) throw new DomainError('access_token_missing');
    const remembered = accessTokens.recall(token);
    const claims = remembered ?? (await accessTokens.verify(token));
    const endReason = endedSessions.reasonOf(claims.sid);
    if (endReason !== undefined) {
      throw new DomainError('session_ended', { reason: endReason, bearerError: 'invalid_token' });
    }
    if (remembered === undefined) onFirstPass(claims);
    request.auth = claims;
  });

  scope.addHook('onRoute', (route) => {
    route.config = { ...route.config, guarded: true };
    const maxAgeSeconds = route.config.requireRecentAuth;
    // A hook of such routes alone, after that of the scope: the others pay nothing for it.
    if (maxAgeSeconds !== undefined) {
      route.preHandler = [requireRecentAuth(maxAgeSeconds, clock), ...[route.preHandler ?? []].flat()];
    }
  });
}

/** Step-up: lets nobody pass whose sign-in, or proof since, is older than so many seconds (RFC 9470 §3). */
function requireRecentAuth(maxAgeSeconds: number, clock: Clock): preHandlerAsyncHookHandler {
  return async ({ auth }) => {
    if (clock.now() / 1000 - auth.auth_time <= maxAgeSeconds) return;
    const bearerError = 'insufficient_user_authentication';
    throw new DomainError(bearerError, { bearerError, maxAgeSeconds });
  };
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose request this is. Set by the gate, and so on every route of a guarded scope; nowhere else. */
    auth: AccessClaims;
  }
  interface FastifyContextConfig {
    guarded?: boolean;
    /** Step-up (RFC 9470): the route needs a sign-in, or a proof since, that is no older than so many seconds. */
    requireRecentAuth?: number;
  }
}

/** Reserves the place of `request.auth`, so that requests keep one shape. */
export function decorateWithAuth(app: FastifyInstance): void {
  app.decorateRequest('auth', null as unknown as FastifyRequest['auth']);
}
