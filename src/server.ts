/** The service: `npm start`, or what the image runs. */
import closeWithGrace from 'close-with-grace';
import { ConfigError, loadConfig } from './config.js';
import { type Server, startServer } from './start-server.js';

/** `EX_CONFIG` of sysexits.h: do not restart me, mend the configuration. */
const EXIT_CONFIG = 78;
const SHUTDOWN_MS = 10_000;

let server: Server | undefined;

// Before anything else: as the first process of a container, one without a handler ignores SIGTERM.
closeWithGrace({ delay: SHUTDOWN_MS, logger: false }, async ({ err }) => {
  if (err) (server?.log ?? console).error({ err }, 'closing after an error that nobody caught');
  await server?.close();
});

try {
  server = startServer(loadConfig());
  await server.ready;
} catch (error) {
  const isConfig = error instanceof ConfigError;
  const text = error instanceof Error ? error.message : String(error);
  console.error(isConfig ? text : `Gatehouse could not start: ${text}`);
  process.exit(isConfig ? EXIT_CONFIG : 1);
}
