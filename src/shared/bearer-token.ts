import type { FastifyRequest } from 'fastify';
import { DomainError } from './domain-error.js';

const SCHEME = /^bearer +/i;
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

/**
 * The token of the Authorization header (RFC 6750 §2.1): the only place where one counts.
 *
 * @returns undefined when there is no such header, or one of another scheme
 * @throws DomainError `access_token_invalid` for two headers, or what cannot be a token
 */
export function readBearerToken(request: FastifyRequest): string | undefined {
  const { authorization } = request.headers;
  if (authorization === undefined || !SCHEME.test(authorization)) return undefined;
  const token = authorization.replace(SCHEME, '').trimEnd();
  if (!TOKEN.test(token) || countAuthorizationHeaders(request.raw.rawHeaders) > 1) {
    throw new DomainError('access_token_invalid', { bearerError: 'invalid_token' });
  }
  return token;
}

/** As `readBearerToken`, for where a header that makes no sense is as good as none. */
export function readBearerTokenIfAny(request: FastifyRequest): string | undefined {
  try {
    return readBearerToken(request);
  } catch {
    return undefined;
  }
}

/** Node keeps the first of two Authorization headers and drops the other silently: a proxy may have kept the other. */
function countAuthorizationHeaders(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    if (name?.length === 13 && name.toLowerCase() === 'authorization') count += 1;
  }
  return count;
}
