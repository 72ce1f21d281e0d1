import type { FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify';
import fastifyPlugin from 'fastify-plugin';
import { DomainError } from '../shared/domain-error.js';

type TimeLimitOptions = {
  /** Milliseconds that a request's passwords have taken so far; they have a bound of their own, and do not count here. */
  spentHashing: (request: FastifyRequest) => number;
};

/** With what comes before and after the handler, an answer takes three seconds at most. */
export const TIME_LIMIT_MS = 2_400;

/** A timer that comes so late tells of a process that was held up, not of a database that does not answer. */
const HELD_UP_MS = 100;

/**
 * Answers 503 `unavailable` for a handler that takes longer than TIME_LIMIT_MS. Every statement has a bound of its own,
 * but a handler may need several. What it is at goes on and may still be committed: as after any 503, the client asks
 * again, and asking again is safe by design (the same successor; an ended session stays ended).
 *
 * Fastify's own `handlerTimeout` (5.12) is no help: it is cleared as soon as the request's body has been read.
 */
export const timeLimit = fastifyPlugin<TimeLimitOptions>(
  async (app, { spentHashing }) => {
    app.addHook('onRoute', (route) => {
      route.handler = limited(route.handler, spentHashing);
    });
  },
  { name: 'time-limit' },
);

function limited(handler: RouteHandlerMethod, spentHashing: TimeLimitOptions['spentHashing']): RouteHandlerMethod {
  return function limitedHandler(this: FastifyInstance, request, reply) {
    const result = handler.call(this, request, reply);
    return result instanceof Promise ? raceWithTime(result, request, reply, spentHashing) : result;
  };
}

function raceWithTime(
  result: Promise<unknown>,
  request: FastifyRequest,
  reply: FastifyReply,
  spentHashing: TimeLimitOptions['spentHashing'],
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    let dueAt = startedAt + TIME_LIMIT_MS;
    let timer = setTimeout(onTime, TIME_LIMIT_MS);

    function onTime(): void {
      const now = performance.now();
      const lateMs = now - dueAt;
      // Held up, the process has not yet read what came meanwhile: it gets that time back.
      const heldUpMs = lateMs > HELD_UP_MS ? Math.min(lateMs, TIME_LIMIT_MS) : 0;
      const leftMs = Math.max(heldUpMs, startedAt + TIME_LIMIT_MS + spentHashing(request) - now);
      if (leftMs >= 1) {
        dueAt = now + leftMs;
        timer = setTimeout(onTime, leftMs);
        return;
      }
      reject(new DomainError('unavailable', { retryAfterSeconds: 1, cause: 'the handler took too long' }));
      // The refusal is on its way by then; what the handler sends when it is through goes nowhere.
      setImmediate(() => {
        reply.send = () => reply;
      });
    }

    result.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
