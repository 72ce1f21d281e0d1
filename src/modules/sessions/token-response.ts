import type { FastifyReply } from 'fastify';
import type { Type } from 'typebox';
import type { RefreshCookie } from './refresh-cookie.js';
import type { SessionUser } from './session.js';
import type { TokenResponseSchema, UserSchema } from './session-schemas.js';
import type { TokenGrant } from './session-service.js';

/**
 * The body of a token response (RFC 6749 §5.1). The refresh token goes into the cookie, and into the body only for
 * sessions that were opened that way.
 */
export function writeTokenResponse(
  reply: FastifyReply,
  cookie: RefreshCookie,
  grant: TokenGrant,
): Type.Static<typeof TokenResponseSchema> {
  const { session } = grant;
  const byBody = session.transport === 'body';
  if (!byBody) cookie.write(reply, grant.refreshToken, grant.refreshExpiresInSeconds);
  return {
    access_token: grant.accessToken,
    token_type: 'Bearer',
    expires_in: grant.accessExpiresInSeconds,
    ...(byBody ? { refresh_token: grant.refreshToken } : {}),
    user: toUserBody(grant.user),
    session: {
      id: session.id,
      created_at: session.createdAt.toISOString(),
      idle_expires_at: session.idleExpiresAt.toISOString(),
      expires_at: session.expiresAt.toISOString(),
    },
  };
}

export function toUserBody(user: SessionUser): Type.Static<typeof UserSchema> {
  return {
    id: user.id,
    email: user.email,
    email_verified: user.emailVerified,
    created_at: user.createdAt.toISOString(),
  };
}
