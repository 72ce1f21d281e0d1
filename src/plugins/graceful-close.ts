import type { FastifyInstance } from 'fastify';
import fastifyPlugin from 'fastify-plugin';

/**
 * While the service closes, every answer tells its client to close the connection too. Node closes idle connections
 * when it is told to stop listening; one that was busy then would stay open, idle, until the client tires of it.
 */
export const gracefulClose = fastifyPlugin(
  async (app: FastifyInstance) => {
    let closing = false;
    app.addHook('preClose', async () => {
      closing = true;
    });
    app.addHook('onSend', async (_request, reply) => {
      if (closing) reply.header('connection', 'close');
    });
  },
  { name: 'graceful-close' },
);
