import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { StrictObject } from '../shared/schemas.js';

type HealthOptions = {
  /** Resolves when the database answers; rejects when it does not. */
  pingDatabase: () => Promise<unknown>;
  /** Whether what is known of ended sessions can be relied on, and whether the next ending will be heard at once. */
  revocation: { isFresh: () => boolean; isListening: () => boolean };
  /** Whether the service is about to end. */
  isDraining?: () => boolean;
  startup?: 'ok' | 'waiting';
};

/** A flood of probes becomes one question a second. */
const REMEMBER_MS = 1_000;

const Check = Type.Union([Type.Literal('ok'), Type.Literal('failing')]);
const ReadinessSchema = StrictObject(
  {
    status: Type.Union([Type.Literal('ready'), Type.Literal('not_ready')]),
    checks: StrictObject({
      database: Check,
      revocation: Type.Enum(['ok', 'polling', 'stale'], {
        description: 'polling: endings are found every two seconds, not heard at once. stale: not even that.',
      }),
      shutdown: Type.Union([Type.Literal('ok'), Type.Literal('closing')]),
      startup: Type.Enum(['ok', 'waiting'], {
        description:
          'waiting: the service has not begun yet, because the database does not answer or is being migrated.',
      }),
    }),
  },
  { title: 'Readiness' },
);

/** Probes. Alive: restart me if this fails. Ready: send me requests only while this says so. */
export const health: FastifyPluginAsyncTypebox<HealthOptions> = async (
  app,
  { pingDatabase, revocation, isDraining = () => false, startup = 'ok' },
) => {
  let answer: Promise<boolean> | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  function databaseAnswers(): Promise<boolean> {
    if (answer === undefined || performance.now() - askedAt > REMEMBER_MS) {
      askedAt = performance.now();
      answer = pingDatabase().then(
        () => true,
        () => false,
      );
    }
    return answer;
  }

  const schema = { tags: ['Health'], security: [] };

  app.get(
    '/livez',
    {
      schema: {
        ...schema,
        operationId: 'getLiveness',
        summary: 'Is the process alive?',
        description: 'Asks nobody else: restart the process if this fails.',
        response: { 200: StrictObject({ status: Type.Literal('alive') }, { title: 'Liveness' }) },
      },
      config: { rateLimit: false, probe: true },
    },
    async () => ({ status: 'alive' as const }),
  );

  app.get(
    '/readyz',
    {
      schema: {
        ...schema,
        operationId: 'getReadiness',
        summary: 'May requests be sent here?',
        description:
          'Says what is wrong if not: the database, the news of ended sessions, or that it is about to stop.',
        response: { 200: ReadinessSchema, 503: ReadinessSchema },
      },
      config: { rateLimit: false, probe: true },
    },
    async (_request, reply) => {
      const database = await databaseAnswers();
      const ready = database && revocation.isFresh() && !isDraining();
      const hearing = revocation.isListening() ? 'ok' : 'polling';
      return reply.code(ready ? 200 : 503).send({
        status: ready ? 'ready' : 'not_ready',
        checks: {
          database: database ? 'ok' : 'failing',
          revocation: revocation.isFresh() ? hearing : 'stale',
          shutdown: isDraining() ? 'closing' : 'ok',
          startup,
        },
      });
    },
  );
};
