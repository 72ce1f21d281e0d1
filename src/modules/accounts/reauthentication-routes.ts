import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { readClientInfo } from '../../shared/client-info.js';
import { StrictObject } from '../../shared/schemas.js';
import { MAX_PASSWORD_CHARACTERS } from '../passwords/password-policy.js';
import { CodeSchema } from '../second-factor/second-factor-schemas.js';
import type { RefreshCookie } from '../sessions/refresh-cookie.js';
import { TokenResponseSchema } from '../sessions/session-schemas.js';
import { writeTokenResponse } from '../sessions/token-response.js';
import type { ReauthenticationService } from './reauthentication-service.js';

type ReauthenticationRoutesOptions = { reauthentication: ReauthenticationService; cookie: RefreshCookie };

const ReauthenticateSchema = StrictObject(
  {
    password: Type.String({ minLength: 1, maxLength: MAX_PASSWORD_CHARACTERS }),
    code: Type.Optional(CodeSchema),
  },
  { title: 'Reauthentication', examples: [{ password: 'correct horse battery staple' }] },
);

/** Step-up: behind the gate. */
export const reauthenticationRoutes: FastifyPluginAsyncTypebox<ReauthenticationRoutesOptions> = async (
  app,
  { reauthentication, cookie },
) => {
  app.post(
    '/v1/auth/reauthenticate',
    {
      schema: {
        operationId: 'reauthenticate',
        tags: ['Accounts'],
        summary: 'Prove once more who you are',
        description:
          'For when an answer says `insufficient_user_authentication`: takes the password again, and a code where the account has a second factor, and answers with tokens of the same session whose sign-in is recent. The session stays; the tokens before are replaced as by a refresh.',
        body: ReauthenticateSchema,
        response: { 200: TokenResponseSchema },
      },
      config: {
        setsCookie: true,
        errors: [
          'invalid_credentials',
          'mfa_required',
          'mfa_code_invalid',
          'session_expired',
          'too_many_attempts',
          'origin_not_allowed',
          'overloaded',
        ],
      },
    },
    async (request, reply) => {
      const { auth, body, clientGone } = request;
      const grant = await reauthentication.reauthenticate({
        userId: auth.sub,
        sessionId: auth.sid,
        generation: auth.gen,
        password: body.password,
        code: body.code,
        client: readClientInfo(request),
        signal: clientGone,
      });
      return writeTokenResponse(reply, cookie, grant);
    },
  );
};
