import { Type } from 'typebox';
import { Compile } from 'typebox/compile';

const Uuid = Type.String({ pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' });
const Seconds = Type.Integer({ minimum: 0 });

/** What an access token says (RFC 9068 §2.2), checked once its signature is known to be ours. */
const AccessClaimsSchema = Type.Object({
  iss: Type.String(),
  /** One audience as a string: we never write a list, so a list is not ours. */
  aud: Type.String(),
  /** The user's id. */
  sub: Uuid,
  /** The session's id. */
  sid: Uuid,
  /** The session's refresh generation when the token was made. */
  gen: Type.Integer({ minimum: 1 }),
  iat: Seconds,
  exp: Seconds,
  jti: Type.String({ minLength: 1 }),
  client_id: Type.String({ minLength: 1 }),
  /** When the person last proved who they are. */
  auth_time: Seconds,
  /** How (RFC 8176): `pwd`, and `otp` and `mfa` with a second factor. */
  amr: Type.Optional(Type.Array(Type.String(), { maxItems: 5 })),
});

export type AccessClaims = Readonly<Type.Static<typeof AccessClaimsSchema>>;

const compiled = Compile(AccessClaimsSchema);

/** @returns null when something is missing or of the wrong type; otherwise the claims, frozen, for they are shared. */
export function readAccessClaims(payload: unknown): AccessClaims | null {
  return compiled.Check(payload) ? Object.freeze(payload) : null;
}

/**
 * Whether a JWT is spelled the one way that its bytes can be: the last character of base64url has spare bits, and a
 * token that differs in them alone must not be one more token (RFC 4648 §3.5).
 */
export function isCanonical(token: string): boolean {
  const parts = token.split('.');
  return parts.length === 3 && parts.every((part) => Buffer.from(part, 'base64url').toString('base64url') === part);
}

export type TokenHeader = { alg: string; kid: string };

/**
 * Reads the header of a JWT that is said to be an access token, without trusting any of it.
 * Only a header that this service would write is read: `typ` is `at+jwt` (RFC 9068 §2.1), and there is nothing in it
 * that asks the verifier to find its key elsewhere (`jwk`, `jku`, `x5u`) or to understand more (`crit`).
 */
export function readTokenHeader(token: string): TokenHeader | null {
  const end = token.indexOf('.');
  if (end <= 0 || end > MAX_HEADER_CHARACTERS) return null;
  try {
    const header: unknown = JSON.parse(Buffer.from(token.slice(0, end), 'base64url').toString('utf8'));
    return compiledHeader.Check(header) ? header : null;
  } catch {
    return null;
  }
}

const MAX_HEADER_CHARACTERS = 512;

const compiledHeader = Compile(
  Type.Object({ typ: Type.Literal('at+jwt'), alg: Type.String(), kid: Uuid }, { additionalProperties: false }),
);
