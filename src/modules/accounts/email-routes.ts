import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { readClientInfo } from '../../shared/client-info.js';
import { Accepted, NoContent } from '../../shared/schemas.js';
import { AddressSchema, EmailChangeSchema, TokenSchema } from './email-schemas.js';
import type { EmailService } from './email-service.js';

type EmailRoutesOptions = { emails: EmailService };

/** What is done with a link from a mail, and asking for one: outside the gate, behind the tighter rate limit. */
export const emailRoutes: FastifyPluginAsyncTypebox<EmailRoutesOptions> = async (app, { emails }) => {
  app.post(
    '/v1/auth/email/verify',
    {
      schema: {
        operationId: 'verifyEmail',
        tags: ['Mail'],
        summary: 'Verify an address',
        description: 'Takes the token of a link with `action=verify_email`. Works once, for 24 hours.',
        security: [],
        body: TokenSchema,
        response: { 204: NoContent('The address is verified.') },
      },
      config: { errors: ['token_invalid_or_expired', 'origin_not_allowed'] },
    },
    async (request, reply) => {
      await emails.verify(request.body.token, readClientInfo(request));
      return reply.code(204).send(null);
    },
  );

  app.post(
    '/v1/auth/email/resend',
    {
      schema: {
        operationId: 'resendVerification',
        tags: ['Mail'],
        summary: 'Mail the link to verify an address once more',
        description:
          'Answers the same whether or not there is such an account and whether or not it is verified. What comes too soon after the last mail is not sent.',
        security: [],
        body: AddressSchema,
        response: { 202: Accepted('Heard. A mail is on its way if there is an account that needs one.') },
      },
      config: { errors: ['mail_not_configured', 'origin_not_allowed'] },
    },
    async (request, reply) => {
      await emails.resend(request.body.email);
      return reply.code(202).send({});
    },
  );

  app.post(
    '/v1/auth/email/change/confirm',
    {
      schema: {
        operationId: 'confirmEmailChange',
        tags: ['Mail'],
        summary: 'Confirm a new address',
        description:
          'Takes the token of a link with `action=change_email`, which went to the new address. From then on the account has that one, verified; the old address is told.',
        security: [],
        body: TokenSchema,
        response: { 204: NoContent('The account has the new address.') },
      },
      config: { errors: ['token_invalid_or_expired', 'email_taken', 'origin_not_allowed'] },
    },
    async (request, reply) => {
      await emails.confirmChange(request.body.token, readClientInfo(request));
      return reply.code(204).send(null);
    },
  );
};

/** Asking for another address: behind the gate. */
export const emailChangeRoutes: FastifyPluginAsyncTypebox<EmailRoutesOptions & { recentAuthSeconds: number }> = async (
  app,
  { emails, recentAuthSeconds },
) => {
  app.post(
    '/v1/auth/email/change',
    {
      schema: {
        operationId: 'requestEmailChange',
        tags: ['Mail'],
        summary: 'Ask for another address',
        description:
          'Mails a link to the new address; nothing changes before that is confirmed. Answers the same whether or not the address is taken. A newer request makes older links void.',
        body: EmailChangeSchema,
        response: { 202: Accepted('Heard. A mail is on its way to the new address, unless somebody else has it.') },
      },
      config: {
        requireRecentAuth: recentAuthSeconds,
        errors: ['invalid_credentials', 'too_many_attempts', 'mail_not_configured', 'origin_not_allowed', 'overloaded'],
      },
    },
    async (request, reply) => {
      const { new_email: newEmail, password } = request.body;
      const wish = { userId: request.auth.sub, newEmail, password };
      await emails.requestChange(wish, readClientInfo(request), request.clientGone);
      return reply.code(202).send({});
    },
  );
};
