/** The service as it was built, which tells its parent when it is ready. */
import { built } from './built.js';
import { answerParent } from './parent.js';

const { loadConfig } = (await import(built('config.js'))) as typeof import('../../src/config.js');
const { startServer } = (await import(built('start-server.js'))) as typeof import('../../src/start-server.js');

const server = startServer(loadConfig());
process.once('SIGTERM', () => void server.close().finally(() => process.exit()));
await server.ready;
answerParent({ memory: () => process.memoryUsage() }, Number(process.env.PORT));
