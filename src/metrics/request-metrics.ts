import type { FastifyReply, FastifyRequest } from 'fastify';
import { Histogram, type Registry } from 'prom-client';

/** From what the gate takes to what no answer may. */
const BUCKETS_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

const METHOD_NOT_ALLOWED = 405;

/** How many requests there were and how long they took, by method, route and status. */
export function createRequestMetrics(registry: Registry) {
  const seconds = new Histogram({
    name: 'gatehouse_http_request_seconds',
    help: 'Requests by method, route (its pattern, never the path; "none" for what is not there) and status.',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: BUCKETS_SECONDS,
    registers: [registry],
  });

  return {
    answered(request: FastifyRequest, reply: FastifyReply): void {
      const route = request.routeOptions.url ?? 'none';
      // A method that the route does not have may be any of dozens.
      const isForeign = route === 'none' || route === '*' || reply.statusCode === METHOD_NOT_ALLOWED;
      const method = isForeign ? 'any' : request.method;
      seconds.observe({ method, route, status: reply.statusCode }, reply.elapsedTime / 1_000);
    },
  };
}
