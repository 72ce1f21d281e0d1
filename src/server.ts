/** The service: `npm start`, or what the image runs. */
import closeWithGrace from 'close-with-grace';
import { ConfigError, loadConfig } from './config.js';
import { settlesWithin } from './shared/settles-within.js';
import { type Server, startServer } from './start-server.js';

/** `EX_CONFIG` of sysexits.h: do not restart me, mend the configuration. */
const EXIT_CONFIG = 78;
const EXIT_UNFINISHED = 1;
const SHUTDOWN_MS = 10_000;

let server: Server | undefined;

// Before anything else: as the first process of a container, one without a handler ignores SIGTERM.
// The bound is kept here, since the configured delay comes before it.
closeWithGrace({ delay: false, logger: false }, async ({ err }) => {
  if (err) (server?.log ?? console).error({ err }, 'closing after an error that nobody caught');
  else await server?.drain();
  if (server && !(await settlesWithin(server.close(), SHUTDOWN_MS))) process.exit(EXIT_UNFINISHED);
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
