import Fastify, { type FastifyInstance } from 'fastify';
import type { BuildAppOptions } from './app.js';
import type { Config } from './config.js';
import { sendProblem } from './plugins/errors.js';
import { health } from './plugins/health.js';
import { loggerOptions, RequestLog } from './plugins/request-log.js';
import { securityHeaders } from './plugins/security-headers.js';
import { DomainError } from './shared/domain-error.js';

/**
 * What answers while the service waits for its database: it is alive and not ready, and everything else is 503
 * `unavailable`. It makes way for the service when that is built.
 */
export function buildStartingApp(config: Config, { logStream }: Pick<BuildAppOptions, 'logStream'>): FastifyInstance {
  const realm = new URL(config.issuer).host;
  const app = Fastify({
    logger: loggerOptions(config.logLevel, logStream),
    logController: new RequestLog(),
    genReqId: () => crypto.randomUUID(),
    requestTimeout: 10_000,
    // What it answers is worth no wait, and it is to make way at once.
    forceCloseConnections: true,
  });
  const refuse = () => Promise.reject(new DomainError('unavailable', { retryAfterSeconds: 1 }));
  app.setErrorHandler((thrown, request, reply) => sendProblem(thrown, request, reply, realm));
  app.setNotFoundHandler(refuse);
  app.register(securityHeaders, { https: config.issuer.startsWith('https:') });
  app.register(health, {
    startup: 'waiting',
    pingDatabase: refuse,
    revocation: { isFresh: () => false, isListening: () => false },
  });
  return app;
}
