import type { FastifyInstance } from 'fastify';
import fastifyPlugin from 'fastify-plugin';

declare module 'fastify' {
  interface FastifyInstance {
    /** Begins to say goodbye: everything is served still, but not ready, and no connection is kept. */
    startDraining: () => void;
    isDraining: () => boolean;
  }
}

/**
 * From `startDraining` or the closing on, every answer tells its client to close the connection too. Node closes idle
 * connections when it is told to stop listening; one that was busy then would stay open, idle, until the client tires of
 * it. And a balancer that keeps connections would otherwise send a request on one at the moment in which it is closed.
 */
export const gracefulClose = fastifyPlugin(
  async (app: FastifyInstance) => {
    let draining = false;
    const startDraining = () => {
      draining = true;
    };
    app.decorate('startDraining', startDraining);
    app.decorate('isDraining', () => draining);
    app.addHook('preClose', async () => startDraining());
    app.addHook('onSend', (_request, reply, payload, done) => {
      if (draining) reply.header('connection', 'close');
      done(null, payload);
    });
  },
  { name: 'graceful-close' },
);
