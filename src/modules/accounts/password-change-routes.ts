import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { readClientInfo } from '../../shared/client-info.js';
import { StrictObject } from '../../shared/schemas.js';
import type { RefreshCookie } from '../sessions/refresh-cookie.js';
import { TokenResponseSchema } from '../sessions/session-schemas.js';
import { writeTokenResponse } from '../sessions/token-response.js';
import { PasswordSchema } from './account-schemas.js';
import type { PasswordChangeService } from './password-change-service.js';

type PasswordChangeRoutesOptions = {
  passwordChanges: PasswordChangeService;
  cookie: RefreshCookie;
  recentAuthSeconds: number;
};

/** Changing the password: behind the gate. */
export const passwordChangeRoutes: FastifyPluginAsyncTypebox<PasswordChangeRoutesOptions> = async (app, options) => {
  const { passwordChanges, cookie, recentAuthSeconds } = options;

  app.post(
    '/v1/auth/password/change',
    {
      schema: {
        operationId: 'changePassword',
        tags: ['Accounts'],
        summary: 'Change my password',
        description:
          'Signs out every other device and makes links void that were mailed before. This session goes on with the tokens of the answer.',
        body: StrictObject(
          { current_password: PasswordSchema, new_password: PasswordSchema },
          { title: 'PasswordChange' },
        ),
        response: { 200: TokenResponseSchema },
      },
      config: {
        setsCookie: true,
        requireRecentAuth: recentAuthSeconds,
        errors: [
          'invalid_credentials',
          'session_expired',
          'password_rejected',
          'too_many_attempts',
          'origin_not_allowed',
          'overloaded',
        ],
      },
    },
    async (request, reply) => {
      const { auth, body, clientGone } = request;
      const grant = await passwordChanges.change(
        { currentPassword: body.current_password, newPassword: body.new_password },
        {
          userId: auth.sub,
          sessionId: auth.sid,
          generation: auth.gen,
          client: readClientInfo(request),
          signal: clientGone,
        },
      );
      return writeTokenResponse(reply, cookie, grant);
    },
  );
};
