import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { readClientInfo } from '../../shared/client-info.js';
import { Accepted, NoContent } from '../../shared/schemas.js';
import { AddressSchema, PasswordResetSchema } from './email-schemas.js';
import type { PasswordResetService } from './password-reset-service.js';

/** A new password by mail: outside the gate, behind the tighter rate limit. */
export const passwordResetRoutes: FastifyPluginAsyncTypebox<{ passwordResets: PasswordResetService }> = async (
  app,
  { passwordResets },
) => {
  app.post(
    '/v1/auth/password/forgot',
    {
      schema: {
        operationId: 'forgotPassword',
        tags: ['Mail'],
        summary: 'Mail a link to choose a new password',
        description:
          'Answers the same, and as quickly, whether or not there is such an account. What comes too soon after the last mail is not sent.',
        security: [],
        body: AddressSchema,
        response: { 202: Accepted('Heard. A mail is on its way if there is an account.') },
      },
      config: { errors: ['mail_not_configured', 'origin_not_allowed'] },
    },
    async (request, reply) => {
      await passwordResets.forgot(request.body.email);
      return reply.code(202).send({});
    },
  );

  app.post(
    '/v1/auth/password/reset',
    {
      schema: {
        operationId: 'resetPassword',
        tags: ['Mail'],
        summary: 'Choose a new password',
        description:
          'Takes the token of a link with `action=reset_password`. Works once, for an hour; a password that is rejected leaves it as it was. Every session of the person ends, every other mailed link of theirs is void, and nobody is signed in: sign in with the new password.',
        security: [],
        body: PasswordResetSchema,
        response: { 204: NoContent('The password is changed.') },
      },
      config: { errors: ['token_invalid_or_expired', 'password_rejected', 'origin_not_allowed', 'overloaded'] },
    },
    async (request, reply) => {
      const { token, new_password: newPassword } = request.body;
      await passwordResets.reset({ token, newPassword }, readClientInfo(request), request.clientGone);
      return reply.code(204).send(null);
    },
  );
};
