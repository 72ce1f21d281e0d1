import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { TokenResponseSchema } from '../sessions/session-schemas.js';
import { MfaRequestSchema } from './mfa-schemas.js';
import type { MfaService } from './mfa-service.js';
import { type Cookies, isBrowser, readSignInContext, writeSignedIn } from './sign-in-exchange.js';

type MfaRoutesOptions = { mfa: MfaService; cookies: Cookies };

/** The second step of signing in: outside the gate, and behind the tighter rate limit, as the first. */
export const mfaRoutes: FastifyPluginAsyncTypebox<MfaRoutesOptions> = async (app, { mfa, cookies }) => {
  app.post(
    '/v1/auth/mfa',
    {
      schema: {
        operationId: 'completeLogin',
        tags: ['Accounts'],
        summary: 'Sign in, second step',
        description:
          'Takes the mfa_token of the first step and a code: of the authenticator app, or a recovery code. A wrong code can be followed by another one, as long as the mfa_token is good.',
        security: [],
        body: MfaRequestSchema,
        response: { 200: TokenResponseSchema },
      },
      config: {
        setsCookie: true,
        errors: [
          'mfa_token_invalid',
          'account_disabled',
          'mfa_code_invalid',
          'too_many_attempts',
          'origin_not_allowed',
        ],
      },
    },
    async (request, reply) => {
      const { mfa_token: mfaToken, code, known_device } = request.body;
      const context = readSignInContext(request, known_device === undefined ? {} : { known_device }, cookies);
      const signedIn = await mfa.complete({ mfaToken, code }, { ...context, isBrowser: isBrowser(request) });
      return writeSignedIn(reply, signedIn, cookies);
    },
  );
};
