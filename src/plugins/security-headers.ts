import helmet from '@fastify/helmet';
import Fastify, { type FastifyInstance } from 'fastify';
import fastifyPlugin from 'fastify-plugin';

/** For JSON there is nothing to load, frame or run (OWASP REST Security Cheat Sheet); the last two inherit nothing from the first. */
const API_POLICY = {
  'default-src': ["'none'"],
  'frame-ancestors': ["'none'"],
  'base-uri': ["'none'"],
  'form-action': ["'none'"],
};

/**
 * Helmet's headers on every answer, and `no-store` unless a route says otherwise.
 *
 * Helmet decides what they are, but once: it would compute the same text for every request, which halves the rate of a
 * small route. Routes that serve pages set a policy of their own over this one.
 */
export const securityHeaders = fastifyPlugin<{ https: boolean }>(
  async (app, { https }) => {
    const headers = { ...(await askHelmet(https)), 'cache-control': 'no-store' };
    app.decorate('commonHeaders', headers);
    // As all hooks of every request, without a promise: each takes a turn of its own.
    app.addHook('onRequest', (request, reply, done) => {
      reply.headers(headers).header('x-request-id', request.id);
      done();
    });
  },
  { name: 'security-headers' },
);

async function askHelmet(https: boolean): Promise<Record<string, string>> {
  const probe: FastifyInstance = Fastify();
  await probe.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: API_POLICY },
    strictTransportSecurity: https,
    xFrameOptions: { action: 'deny' },
  });
  probe.get('/', async () => '');
  const answer = await probe.inject('/');
  await probe.close();
  const own = new Set(['content-type', 'content-length', 'date', 'connection']);
  return Object.fromEntries(
    Object.entries(answer.headers).flatMap(([name, value]) =>
      typeof value === 'string' && !own.has(name) ? [[name, value]] : [],
    ),
  );
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The headers of every answer, for the few that no hook sees. */
    commonHeaders: Record<string, string>;
  }
}
