import { getHeapStatistics } from 'node:v8';
import fastifyUnderPressure from '@fastify/under-pressure';
import fastifyPlugin from 'fastify-plugin';
import { DomainError } from '../shared/domain-error.js';

type UnderPressureOptions = {
  /** Milliseconds that the event loop may be late, on the average of a second; 0 switches the check off. */
  maxEventLoopDelayMs: number;
};

/** Past that, V8 spends its time collecting garbage. */
const MAX_HEAP_SHARE = 0.9;

/**
 * Refuses requests with 503 `overloaded` while the event loop is late or the heap is nearly full: a quick no lets the
 * process recover and the client ask another instance. Probes are answered all the same.
 */
export const underPressure = fastifyPlugin<UnderPressureOptions>(
  async (app, { maxEventLoopDelayMs }) => {
    if (maxEventLoopDelayMs === 0) return;
    await app.register(fastifyUnderPressure, {
      maxEventLoopDelay: maxEventLoopDelayMs,
      maxHeapUsedBytes: Math.floor(getHeapStatistics().heap_size_limit * MAX_HEAP_SHARE),
      pressureHandler(request, _reply, type, value) {
        if (request.routeOptions.config.probe === true) return;
        request.log.warn({ event: 'under_pressure', what: type, value }, 'refused a request to recover');
        throw new DomainError('overloaded', { retryAfterSeconds: 1 });
      },
    });
  },
  { name: 'under-pressure' },
);

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answered whatever the load: whoever asks decides by it whether to restart this process. */
    probe?: boolean;
  }
}
