import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { readBearerTokenIfAny } from '../../shared/bearer-token.js';
import { readClientInfo } from '../../shared/client-info.js';
import { DomainError } from '../../shared/domain-error.js';
import { NoContent, StrictObject } from '../../shared/schemas.js';
import { describeDevice } from './device.js';
import type { RefreshCookie } from './refresh-cookie.js';
import { RefreshTokenSchema, SessionListSchema, TokenResponseSchema } from './session-schemas.js';
import type { SessionService } from './session-service.js';
import { writeTokenResponse } from './token-response.js';

type SessionRoutesOptions = { sessions: SessionService; cookie: RefreshCookie; clearSiteData: boolean };

const OptionalRefreshTokenBody = Type.Optional(
  Type.Union([StrictObject({ refresh_token: Type.Optional(RefreshTokenSchema) }), Type.Null()]),
);

/** Refresh and logout: what is done with the refresh token itself, and so outside the gate. */
export const refreshRoutes: FastifyPluginAsyncTypebox<SessionRoutesOptions> = async (app, options) => {
  const { sessions, cookie, clearSiteData } = options;

  app.post(
    '/v1/auth/refresh',
    {
      schema: {
        operationId: 'refresh',
        tags: ['Sessions'],
        summary: 'Get a new access token',
        description:
          'Takes the refresh token from the cookie (or, for sessions opened with "transport": "body", from the body) and answers with the next one. A retry with the token before, within the grace time, gets the very same answer token again. The return of an older token ends the session.',
        security: [{ refreshCookie: [] }, {}],
        body: OptionalRefreshTokenBody,
        response: { 200: TokenResponseSchema },
      },
      config: {
        setsCookie: true,
        optionalBody: true,
        errors: [
          'refresh_token_missing',
          'refresh_token_invalid',
          'refresh_token_reused',
          'session_expired',
          'session_ended',
          'origin_not_allowed',
        ],
      },
    },
    async (request, reply) => {
      const fromCookie = cookie.read(request);
      const fromBody = request.body?.refresh_token;
      const token = fromBody ?? fromCookie;
      if (token === undefined || token === '') throw new DomainError('refresh_token_missing');
      const transport = fromBody === undefined ? 'cookie' : 'body';
      return writeTokenResponse(reply, cookie, await sessions.refresh(token, transport, readClientInfo(request)));
    },
  );

  app.post(
    '/v1/auth/logout',
    {
      schema: {
        operationId: 'logout',
        tags: ['Sessions'],
        summary: 'Sign out',
        description:
          'Ends the session that the cookie, the body or the Bearer token names, even if that token has expired, and clears the cookie. Answers 204 also when there was nothing to end; never 204 when a session could not be ended.',
        security: [{ refreshCookie: [] }, { bearer: [] }, {}],
        body: OptionalRefreshTokenBody,
        response: { 204: NoContent('Signed out; the cookie is cleared.') },
      },
      config: { setsCookie: true, optionalBody: true, errors: ['origin_not_allowed'] },
    },
    async (request, reply) => {
      const refreshTokens = [request.body?.refresh_token, cookie.read(request)].filter((token) => token !== undefined);
      await sessions.logOut({ refreshTokens, accessToken: readBearerTokenIfAny(request) }, readClientInfo(request));
      cookie.clear(reply);
      if (clearSiteData) reply.header('clear-site-data', '"cache", "storage"');
      return reply.code(204).send(null);
    },
  );
};

/** A person's own sessions: behind the gate. */
export const sessionRoutes: FastifyPluginAsyncTypebox<Pick<SessionRoutesOptions, 'sessions'>> = async (
  app,
  { sessions },
) => {
  app.get(
    '/v1/sessions',
    {
      schema: {
        operationId: 'listSessions',
        tags: ['Sessions'],
        summary: 'Where am I signed in?',
        description: 'Live sessions, newest first. One of them is the one that asks.',
        response: { 200: SessionListSchema },
      },
    },
    async ({ auth }) => {
      const live = await sessions.list(auth.sub);
      return {
        sessions: live.map((session) => ({
          id: session.id,
          current: session.id === auth.sid,
          created_at: session.createdAt.toISOString(),
          last_used_at: session.rotatedAt.toISOString(),
          idle_expires_at: session.idleExpiresAt.toISOString(),
          expires_at: session.expiresAt.toISOString(),
          device: describeDevice(session.userAgent),
          user_agent: session.userAgent,
          ip: session.ip,
          transport: session.transport,
        })),
      };
    },
  );

  app.delete(
    '/v1/sessions/:id',
    {
      schema: {
        operationId: 'endSession',
        tags: ['Sessions'],
        summary: 'Sign out one device',
        description: 'Ends one session of your own. That of somebody else is answered as one that never was.',
        params: StrictObject({ id: Type.String({ maxLength: 100, description: 'The session to end.' }) }),
        response: { 204: NoContent('Ended: its tokens are refused from now on.') },
      },
      config: { errors: ['session_not_found', 'origin_not_allowed'] },
    },
    async (request, reply) => {
      await sessions.endOne(request.auth.sub, request.params.id, readClientInfo(request));
      return reply.code(204).send(null);
    },
  );

  app.delete(
    '/v1/sessions',
    {
      schema: {
        operationId: 'endSessions',
        tags: ['Sessions'],
        summary: 'Sign out everywhere',
        description: 'Ends all sessions of your own, or all but this one.',
        querystring: StrictObject({
          keep_current: Type.Optional(
            Type.Union([Type.Literal('true'), Type.Literal('false')], {
              description: 'Keep the session that this request belongs to.',
            }),
          ),
        }),
        response: { 204: NoContent('All (others) ended.') },
      },
      config: { errors: ['origin_not_allowed'] },
    },
    async (request, reply) => {
      const { auth, query } = request;
      await sessions.endAll(auth.sub, readClientInfo(request), query.keep_current === 'true' ? auth.sid : null);
      return reply.code(204).send(null);
    },
  );
};
