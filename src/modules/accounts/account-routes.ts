import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Accepted } from '../../shared/schemas.js';
import { TokenResponseSchema, UserSchema } from '../sessions/session-schemas.js';
import { toUserBody } from '../sessions/token-response.js';
import { CredentialsSchema } from './account-schemas.js';
import type { AccountService } from './account-service.js';
import { LoginResponseSchema } from './mfa-schemas.js';
import { type Cookies, readSignInContext, writeMfaChallenge, writeSignedIn } from './sign-in-exchange.js';

type AccountRoutesOptions = { accounts: AccountService; cookies: Cookies };

/** Register and login: what takes a password, and so outside the gate and behind the tighter rate limit. */
export const credentialRoutes: FastifyPluginAsyncTypebox<AccountRoutesOptions> = async (app, { accounts, cookies }) => {
  app.post(
    '/v1/auth/register',
    {
      schema: {
        operationId: 'register',
        tags: ['Accounts'],
        summary: 'Make an account and sign in',
        description:
          'Opens a session, or, where addresses must be verified first, mails a link and answers 202 whether or not the address is taken.',
        security: [],
        body: CredentialsSchema,
        response: {
          201: TokenResponseSchema,
          202: Accepted('Only with REQUIRE_VERIFIED_EMAIL: a mail is on its way.'),
        },
      },
      config: { setsCookie: true, errors: ['email_taken', 'password_rejected', 'origin_not_allowed', 'overloaded'] },
    },
    async (request, reply) => {
      const signedIn = await accounts.register(request.body, readSignInContext(request, request.body, cookies));
      if (signedIn === null) return reply.code(202).send({});
      return reply.code(201).send(writeSignedIn(reply, signedIn, cookies));
    },
  );

  app.post(
    '/v1/auth/login',
    {
      schema: {
        operationId: 'login',
        tags: ['Accounts'],
        summary: 'Sign in',
        description:
          'For an account with a second factor the answer is `"mfa_required": true` and no session: finish at /v1/auth/mfa.',
        security: [],
        body: CredentialsSchema,
        response: { 200: LoginResponseSchema },
      },
      config: {
        setsCookie: true,
        errors: [
          'invalid_credentials',
          'account_disabled',
          'email_not_verified',
          'too_many_attempts',
          'origin_not_allowed',
          'overloaded',
        ],
      },
    },
    async (request, reply) => {
      const outcome = await accounts.logIn(request.body, readSignInContext(request, request.body, cookies));
      return 'mfaToken' in outcome ? writeMfaChallenge(outcome) : writeSignedIn(reply, outcome, cookies);
    },
  );
};

/** What a person sees of their own account: behind the gate. */
export const accountRoutes: FastifyPluginAsyncTypebox<Pick<AccountRoutesOptions, 'accounts'>> = async (
  app,
  { accounts },
) => {
  app.get(
    '/v1/me',
    {
      schema: {
        operationId: 'getMe',
        tags: ['Accounts'],
        summary: 'Who am I?',
        description: 'The person whose access token this is.',
        response: { 200: UserSchema },
      },
    },
    async ({ auth }) => toUserBody(await accounts.find(auth.sub)),
  );
};
