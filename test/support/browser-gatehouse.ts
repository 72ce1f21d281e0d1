import type { FastifyInstance } from 'fastify';
import type { BuildAppOptions } from '../../src/app.js';
import { type Line, startLine } from './browser-line.js';
import { buildTestApp, type TestApp } from './test-app.js';

export type Gatehouse = TestApp & {
  /** Where browsers reach it, and who it says it is. */
  origin: string;
  /** What stands between browsers and the service. */
  line: Line;
};

/**
 * A service for browsers, on this worker's database and behind a line of its own, at `http://localhost:…` unless a
 * hostname for https is given. Closed after the test.
 */
export async function startGatehouse(
  environment: NodeJS.ProcessEnv = {},
  { hostname, ...options }: BuildAppOptions & { hostname?: string } = {},
): Promise<Gatehouse> {
  const https = hostname !== undefined;
  // Known before the service is built, which must know its own origin.
  const line = await startLine(hostname, { https });
  const built = await buildTestApp(
    { ISSUER_URL: line.origin, COOKIE_SECURE: String(https), TRUSTED_PROXIES: '127.0.0.1,::1', ...environment },
    options,
  );
  line.leadTo(await listen(built.app));
  return { ...built, origin: line.origin, line };
}

async function listen(app: FastifyInstance): Promise<string> {
  return app.listen({ host: '127.0.0.1', port: 0 });
}
