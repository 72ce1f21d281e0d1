import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { DomainError } from '../../shared/domain-error.js';
import { NoContent, StrictObject } from '../../shared/schemas.js';
import {
  ExpiredTokenSchema,
  OfflineSchema,
  ReplayedSchema,
  ReplaySchema,
  SessionStateSchema,
} from './fault-schemas.js';
import type { FaultService } from './fault-service.js';
import type { Faults } from './faults.js';

/** Breaks the service for everyone, and tells anyone of any session: only with SIMULATED_FAULTS_ENABLED. */
export const faultRoutes: FastifyPluginAsyncTypebox<{
  faults: Faults;
  service: Pick<FaultService, 'describe'>;
}> = async (app, { faults, service }) => {
  app.post(
    '/dev/faults/lose-next-answer',
    { schema: { hide: true, response: { 204: NoContent('The next refresh will be carried out and not answered.') } } },
    async (_request, reply) => {
      faults.loseNextAnswer();
      // See the hooks: the refresh must not come on a connection that was used before.
      app.server.closeIdleConnections();
      return reply.code(204).send(null);
    },
  );

  app.post(
    '/dev/faults/offline',
    { schema: { hide: true, body: OfflineSchema, response: { 204: NoContent('Offline from now on, or back.') } } },
    async ({ body, log }, reply) => {
      faults.goOffline(body.seconds);
      log.info({ event: 'fault_simulated', fault: 'offline', seconds: body.seconds }, 'offline for so many seconds');
      return reply.code(204).send(null);
    },
  );

  // Not behind the gate: passing it would confirm the very generation that somebody wants to see unconfirmed.
  app.get(
    '/dev/sessions/:id',
    {
      schema: {
        hide: true,
        params: StrictObject({ id: Type.String({ maxLength: 100 }) }),
        response: { 200: SessionStateSchema },
      },
    },
    ({ params }) => service.describe(params.id),
  );
};

/** What is done to the session of the caller, and so behind the gate. */
export const ownFaultRoutes: FastifyPluginAsyncTypebox<{
  faults: Pick<Faults, 'isOffline'>;
  service: FaultService;
}> = async (app, { faults, service }) => {
  app.post(
    '/dev/faults/expired-token',
    { schema: { hide: true, response: { 200: ExpiredTokenSchema } } },
    async ({ auth }) => ({ access_token: service.expireToken(auth) }),
  );

  app.post(
    '/dev/faults/replay',
    { schema: { hide: true, body: ReplaySchema, response: { 200: ReplayedSchema } } },
    async ({ auth, body, id }) => {
      // A thief reaches no more than anybody else.
      if (faults.isOffline()) throw new DomainError('unavailable', { retryAfterSeconds: 1 });
      return service.replay(auth.sid, body.generation, id);
    },
  );
};
