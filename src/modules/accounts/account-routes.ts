import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { readClientInfo } from '../../shared/client-info.js';
import { DomainError } from '../../shared/domain-error.js';
import type { RefreshCookie } from '../sessions/refresh-cookie.js';
import type { Transport } from '../sessions/session.js';
import { TokenResponseSchema, UserSchema } from '../sessions/session-schemas.js';
import { toUserBody, writeTokenResponse } from '../sessions/token-response.js';
import { CredentialsSchema } from './account-schemas.js';
import type { AccountService } from './account-service.js';

type AccountRoutesOptions = { accounts: AccountService; cookie: RefreshCookie };

/** Register and login: what takes a password, and so outside the gate and behind the tighter rate limit. */
export const credentialRoutes: FastifyPluginAsyncTypebox<AccountRoutesOptions> = async (app, { accounts, cookie }) => {
  app.post(
    '/v1/auth/register',
    {
      schema: {
        operationId: 'register',
        tags: ['Accounts'],
        summary: 'Make an account and sign in',
        security: [],
        body: CredentialsSchema,
        response: { 201: TokenResponseSchema },
      },
      config: { errors: ['email_taken', 'password_rejected', 'origin_not_allowed', 'overloaded'] },
    },
    async (request, reply) => {
      const credentials = { ...request.body, transport: transportFor(request, request.body.transport) };
      const grant = await accounts.register(credentials, readClientInfo(request));
      return reply.code(201).send(writeTokenResponse(reply, cookie, grant));
    },
  );

  app.post(
    '/v1/auth/login',
    {
      schema: {
        operationId: 'login',
        tags: ['Accounts'],
        summary: 'Sign in',
        security: [],
        body: CredentialsSchema,
        response: { 200: TokenResponseSchema },
      },
      config: { errors: ['invalid_credentials', 'origin_not_allowed', 'overloaded'] },
    },
    async (request, reply) => {
      const credentials = { ...request.body, transport: transportFor(request, request.body.transport) };
      return writeTokenResponse(reply, cookie, await accounts.logIn(credentials, readClientInfo(request)));
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
        response: { 200: UserSchema },
      },
    },
    async ({ auth }) => toUserBody(await accounts.find(auth.sub)),
  );
};

/** A page in a browser has no safe place for a refresh token, so it gets none in a body, whatever it asks for. */
function transportFor({ headers }: FastifyRequest, wanted: Transport = 'cookie'): Transport {
  const isBrowser = headers.origin !== undefined || Object.keys(headers).some((name) => name.startsWith('sec-fetch-'));
  if (wanted === 'body' && isBrowser) {
    const message = 'Browsers keep the refresh token in the cookie: leave "transport" out.';
    throw new DomainError('validation_failed', { errors: [{ path: '/transport', message }] });
  }
  return wanted;
}
