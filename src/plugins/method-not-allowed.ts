import { METHODS } from 'node:http';
import type { FastifyInstance } from 'fastify';
import fastifyPlugin from 'fastify-plugin';
import { DomainError } from '../shared/domain-error.js';

/** Every method that Node reads; CONNECT never comes to a route. */
const ALL_METHODS = METHODS.filter((method) => method !== 'CONNECT');

/**
 * Answers 405 with `Allow` (RFC 9110 §15.5.6), which Fastify does not: once all routes are known, each address gets a
 * route for the methods that it lacks.
 */
export const methodNotAllowed = fastifyPlugin(
  async (app: FastifyInstance) => {
    for (const method of ALL_METHODS) {
      if (!app.supportedMethods.includes(method)) app.addHttpMethod(method);
    }

    const methodsByUrl = new Map<string, Set<string>>();
    app.addHook('onRoute', ({ url, method }) => {
      const methods = methodsByUrl.get(url) ?? new Set();
      for (const one of [method].flat()) methods.add(one);
      methodsByUrl.set(url, methods);
    });

    app.decorate('refuseOtherMethods', () => {
      for (const [url, methods] of [...methodsByUrl]) {
        const missing = ALL_METHODS.filter((method) => !methods.has(method));
        const allow = [...methods].join(', ');
        if (url === '*') continue;
        app.route({
          url,
          method: missing,
          schema: { hide: true },
          // Before the body is read, and after the limits have counted.
          preParsing: async (_request, reply) => {
            reply.header('allow', allow);
            throw new DomainError('method_not_allowed', { detail: `This address answers ${allow}.` });
          },
          handler: () => {},
        });
      }
    });
  },
  { name: 'method-not-allowed' },
);

declare module 'fastify' {
  interface FastifyInstance {
    /** Call it once, after all routes are registered. */
    refuseOtherMethods: () => void;
  }
}
