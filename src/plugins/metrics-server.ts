import Fastify from 'fastify';
import fastifyPlugin from 'fastify-plugin';
import { collectDefaultMetrics } from 'prom-client';
import type { Metrics } from '../metrics/metrics.js';

type MetricsServerOptions = { metrics: Metrics; host: string; port: number };

/**
 * Counts requests, and serves `GET /metrics` on a port of its own, for the inside only, for as long as the app listens.
 * Registered only where somebody asks: without it no request is counted. A port that is taken ends the start.
 */
export const metricsServer = fastifyPlugin<MetricsServerOptions>(
  async (app, { metrics, host, port }) => {
    app.addHook('onResponse', (request, reply, done) => {
      metrics.requests.answered(request, reply);
      done();
    });

    const server = Fastify({ forceCloseConnections: true, requestTimeout: 5_000 });
    server.get('/metrics', async (_request, reply) => {
      reply.type(metrics.registry.contentType);
      return metrics.registry.metrics();
    });
    app.addHook('onReady', async () => {
      // Here and not earlier: an app that was built in vain, while the database is down, would leave its observers behind.
      collectDefaultMetrics({ register: metrics.registry });
      app.log.info(`Metrics at ${await server.listen({ host, port })}/metrics`);
    });
    app.addHook('onClose', () => server.close());
  },
  { name: 'metrics-server' },
);
