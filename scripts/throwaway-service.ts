import { randomBytes } from 'node:crypto';
import type { BuildAppOptions } from '../src/app.js';
import { loadConfig } from '../src/config.js';
import { startServer } from '../src/start-server.js';
import { developmentMail } from './development-mail.js';
import { findFreePort } from './embedded-postgres.js';
import { createThrowawayDatabase } from './throwaway-database.js';

/**
 * Starts a service as `npm run dev` does, but on an empty database that goes when it is stopped.
 *
 * @param settings whatever differs
 * @param options how the app is built, where that differs
 */
export async function startService(
  settings: NodeJS.ProcessEnv = {},
  options: BuildAppOptions = {},
): Promise<{ url: string; stop: () => Promise<void> }> {
  const database = await createThrowawayDatabase();
  const port = await findFreePort();
  const url = `http://localhost:${port}`;
  const environment = {
    PORT: String(port),
    DATABASE_URL: database.url,
    MIGRATE_ON_START: 'true',
    APP_SECRETS: randomBytes(32).toString('base64url'),
    ISSUER_URL: url,
    COOKIE_SECURE: 'false',
    BCRYPT_COST: '10',
    RATE_LIMIT_PER_MINUTE: '0',
    RATE_LIMIT_CREDENTIALS_PER_MINUTE: '0',
    LOG_LEVEL: 'silent',
    ...developmentMail(settings.ISSUER_URL ?? url),
    ...settings,
  };
  try {
    const server = startServer(loadConfig(environment), options);
    await server.ready;
    return { url, stop: () => server.close().then(database.drop) };
  } catch (error) {
    await database.drop();
    throw error;
  }
}
