import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { readClientInfo } from '../../shared/client-info.js';
import type { ErrorCode } from '../../shared/error-codes.js';
import { NoContent } from '../../shared/schemas.js';
import {
  ConfirmEnrolmentSchema,
  EnrolmentSchema,
  ProofSchema,
  RecoveryCodesSchema,
  SecondFactorStatusSchema,
} from './second-factor-schemas.js';
import type { Caller, SecondFactorService } from './second-factor-service.js';

type SecondFactorRoutesOptions = { secondFactors: SecondFactorService; recentAuthSeconds: number };

/** A person's own second factor: behind the gate, and all that changes it behind a recent sign-in. */
export const secondFactorRoutes: FastifyPluginAsyncTypebox<SecondFactorRoutesOptions> = async (
  app,
  { secondFactors, recentAuthSeconds: requireRecentAuth },
) => {
  app.get(
    '/v1/me/second-factor',
    {
      schema: {
        operationId: 'getSecondFactor',
        tags: ['Accounts'],
        summary: 'Do I have a second factor?',
        description: 'And how many recovery codes are left.',
        response: { 200: SecondFactorStatusSchema },
      },
    },
    async ({ auth }) => {
      const status = await secondFactors.status(auth.sub);
      return {
        enabled: status !== null,
        confirmed_at: status?.confirmedAt.toISOString() ?? null,
        recovery_codes_left: status?.recoveryCodesLeft ?? 0,
      };
    },
  );

  app.post(
    '/v1/me/second-factor',
    {
      schema: {
        operationId: 'beginSecondFactor',
        tags: ['Accounts'],
        summary: 'Begin with a second factor',
        description:
          'Makes a new secret for an authenticator app (TOTP, RFC 6238). Asking again, before it is confirmed, makes the one before void.',
        response: { 201: EnrolmentSchema },
      },
      config: { requireRecentAuth, errors: ['mfa_already_enabled', 'origin_not_allowed'] },
    },
    async ({ auth }, reply) => {
      const { secret, otpauthUrl } = await secondFactors.begin(auth.sub);
      return reply.code(201).send({ secret, otpauth_url: otpauthUrl });
    },
  );

  app.post(
    '/v1/me/second-factor/confirm',
    {
      schema: {
        operationId: 'confirmSecondFactor',
        tags: ['Accounts'],
        summary: 'Turn the second factor on',
        description: 'Takes a first code of the app, and answers with ten recovery codes that are never shown again.',
        body: ConfirmEnrolmentSchema,
        response: { 200: RecoveryCodesSchema },
      },
      config: {
        requireRecentAuth,
        errors: [
          'mfa_not_enabled',
          'mfa_already_enabled',
          'mfa_code_invalid',
          'too_many_attempts',
          'origin_not_allowed',
        ],
      },
    },
    async (request) => ({ recovery_codes: await secondFactors.confirm(callerOf(request), request.body.code) }),
  );

  app.post(
    '/v1/me/second-factor/disable',
    {
      schema: {
        operationId: 'disableSecondFactor',
        tags: ['Accounts'],
        summary: 'Turn the second factor off',
        description: 'Takes the password and a code: of the app, or a recovery code.',
        body: ProofSchema,
        response: { 204: NoContent('Off: signing in takes the password alone, and the recovery codes are void.') },
      },
      config: { requireRecentAuth, errors: PROOF_ERRORS },
    },
    async (request, reply) => {
      await secondFactors.disable(callerOf(request), request.body);
      return reply.code(204).send(null);
    },
  );

  app.post(
    '/v1/me/second-factor/recovery-codes',
    {
      schema: {
        operationId: 'renewRecoveryCodes',
        tags: ['Accounts'],
        summary: 'Get new recovery codes',
        description:
          'Ten new ones; those before are void. Takes the password and a code: of the app, or a recovery code.',
        body: ProofSchema,
        response: { 200: RecoveryCodesSchema },
      },
      config: { requireRecentAuth, errors: PROOF_ERRORS },
    },
    async (request) => ({
      recovery_codes: await secondFactors.renewRecoveryCodes(callerOf(request), request.body),
    }),
  );
};

const PROOF_ERRORS = [
  'mfa_not_enabled',
  'invalid_credentials',
  'mfa_code_invalid',
  'too_many_attempts',
  'origin_not_allowed',
  'overloaded',
] satisfies ErrorCode[];

function callerOf(request: FastifyRequest): Caller {
  const { auth, clientGone } = request;
  return { userId: auth.sub, sessionId: auth.sid, client: readClientInfo(request), signal: clientGone };
}
