/** The service: `npm start`, or what the image runs. */
import closeWithGrace from 'close-with-grace';
import type { FastifyInstance } from 'fastify';
import { ConfigError, loadConfig } from './config.js';
import { startServer } from './start-server.js';

/** `EX_CONFIG` of sysexits.h: do not restart me, mend the configuration. */
const EXIT_CONFIG = 78;
const SHUTDOWN_MS = 10_000;

let app: FastifyInstance | undefined;

// Before anything else: as the first process of a container, one without a handler ignores SIGTERM.
closeWithGrace({ delay: SHUTDOWN_MS, logger: false }, async ({ err }) => {
  if (err) app?.log.error({ err }, 'closing after an error that nobody caught');
  await app?.close();
});

try {
  app = await startServer(loadConfig());
} catch (error) {
  const isConfig = error instanceof ConfigError;
  const text = error instanceof Error ? error.message : String(error);
  console.error(isConfig ? text : `Gatehouse could not start: ${text}`);
  process.exit(isConfig ? EXIT_CONFIG : 1);
}
