import type { FastifyInstance, FastifyRequest, onSendHookHandler } from 'fastify';
import type { Faults } from './faults.js';

/** Makes the faults happen. Before all other hooks and routes: what is offline does nothing at all. */
export function installFaults(app: FastifyInstance, faults: Faults): void {
  app.addHook('onRequest', (request, _reply, done) => {
    if (faults.isOffline() && request.routeOptions.config.staysReachable !== true) cut(request);
    else done();
  });

  // Chromium sends a request, a POST even, once more by itself when a connection that was used before breaks under it,
  // and its page would see no fault. So the refresh that is to be lost must come on a connection of its own.
  app.addHook('onSend', async (_request, reply) => {
    if (faults.isLosingNextAnswer()) reply.header('connection', 'close');
  });

  /** The handler is through by then, and what it did is committed; of the answer nothing is written yet. */
  const loseAnswer: onSendHookHandler = (request, reply, _payload, done) => {
    if (reply.statusCode === 200 && faults.takeLoss()) {
      request.log.info(
        { event: 'fault_simulated', fault: 'answer_lost' },
        'a session was refreshed; the answer is lost',
      );
      cut(request);
    } else done();
  };
  app.addHook('onRoute', (route) => {
    if (route.method === 'POST' && route.url === '/v1/auth/refresh') {
      route.onSend = [...[route.onSend ?? []].flat(), loseAnswer];
    }
  });
}

/** Lets a scope answer while the service is offline: what is needed to watch, and to come back. */
export function keepReachable(scope: FastifyInstance): void {
  scope.addHook('onRoute', (route) => {
    route.config = { ...route.config, staysReachable: true };
  });
}

/** Without a byte, as when the network is gone. Whoever calls it lets the request go no further. */
function cut({ raw }: FastifyRequest): void {
  raw.socket.destroy();
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answers even while the service simulates being offline. */
    staysReachable?: boolean;
  }
}
