import { randomBytes } from 'node:crypto';
import { loadConfig } from '../src/config.js';
import { startServer } from '../src/start-server.js';
import { developmentMail } from './development-mail.js';
import { developmentPlayground } from './development-playground.js';
import { findFreePort } from './embedded-postgres.js';
import { createThrowawayDatabase } from './throwaway-database.js';

export type RunningService = { url: string; stop: () => Promise<void> };

/**
 * Starts a service as `npm run dev` does, but on an empty database that goes when it is stopped.
 *
 * @param playgroundFolder where the playground was built; without it there is none, and no simulated fault
 */
export async function startService(playgroundFolder?: string): Promise<RunningService> {
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
    ...developmentMail(url),
    ...(playgroundFolder ? developmentPlayground(url) : {}),
  };
  try {
    const app = await startServer(loadConfig(environment), playgroundFolder ? { playgroundFolder } : {});
    return { url, stop: () => app.close().then(database.drop) };
  } catch (error) {
    await database.drop();
    throw error;
  }
}
