import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import fastifyPlugin from 'fastify-plugin';

/**
 * Gives every request a signal that is aborted when its client leaves before the answer. Fastify's own
 * `request.signal` (5.12) cannot be used for that: it follows the request's `close`, which Node emits as soon as a body
 * has been read. Asked for after that, as in a handler, it is never aborted; asked for before, always and at once.
 */
export const clientGone = fastifyPlugin(
  async (app: FastifyInstance) => {
    app.decorateRequest('response', null as unknown as ServerResponse);
    app.decorateRequest('clientGoneSignal', undefined);
    app.decorateRequest('clientGone', {
      getter() {
        this.clientGoneSignal ??= signalOf(this.response);
        return this.clientGoneSignal;
      },
    });
    app.addHook('onRequest', (request, reply, done) => {
      request.response = reply.raw;
      done();
    });
  },
  { name: 'client-gone' },
);

function signalOf(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  const close = () => {
    if (!response.writableEnded) controller.abort();
  };
  if (response.destroyed) close();
  else response.once('close', close);
  return controller.signal;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Aborted when the client leaves before it is answered; for work that nobody would wait for then. */
    readonly clientGone: AbortSignal;
    /** Node's own object behind the reply; for `clientGone` alone. */
    response: ServerResponse;
    /** The same signal for all who ask, made when the first one does; most requests never ask. */
    clientGoneSignal: AbortSignal | undefined;
  }
}
