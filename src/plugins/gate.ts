import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { EndedSessions } from '../modules/revocation/ended-sessions.js';
import type { AccessClaims } from '../modules/tokens/access-claims.js';
import type { AccessTokens } from '../modules/tokens/access-tokens.js';
import { readBearerToken } from '../shared/bearer-token.js';
import { DomainError } from '../shared/domain-error.js';

type GateOptions = {
  accessTokens: Pick<AccessTokens, 'recall' | 'verify'>;
  endedSessions: Pick<EndedSessions, 'reasonOf'>;
  /** Called when this instance lets a token pass for the first time. */
  onFirstPass: (claims: AccessClaims) => void;
};

/**
 * Guards a scope: every route registered in it needs a valid access token of a session that still lives (RFC 6750).
 * No query is made; what is known of ended sessions is in memory.
 */
export function guard(scope: FastifyInstance, { accessTokens, endedSessions, onFirstPass }: GateOptions): void {
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
  });
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose request this is. Set by the gate, and so on every route of a guarded scope; nowhere else. */
    auth: AccessClaims;
  }
  interface FastifyContextConfig {
    guarded?: boolean;
  }
}

/** Reserves the place of `request.auth`, so that requests keep one shape. */
export function decorateWithAuth(app: FastifyInstance): void {
  app.decorateRequest('auth', null as unknown as FastifyRequest['auth']);
}
