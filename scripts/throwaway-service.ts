import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { loadConfig } from '../src/config.js';
import { startServer } from '../src/server.js';
import { findFreePort, startEmbeddedPostgres } from './embedded-postgres.js';

/**
 * Starts a service as `npm run dev` does, but on a database of its own that is dropped again: on the Postgres of
 * DATABASE_URL, or on an embedded one.
 */
export async function startService(): Promise<{ url: string; stop: () => Promise<void> }> {
  const given = process.env.DATABASE_URL;
  const embedded = given
    ? null
    : await startEmbeddedPostgres({ folder: '.gatehouse/service-postgres', throwaway: true });
  const administratorUrl = embedded?.url('postgres') ?? given ?? '';
  const name = `gatehouse_service_${randomBytes(5).toString('hex')}`;
  await execute(administratorUrl, `CREATE DATABASE ${name}`);

  const port = await findFreePort();
  const url = `http://localhost:${port}`;
  const cleanUp = async () => {
    await execute(administratorUrl, `DROP DATABASE ${name} WITH (FORCE)`);
    await embedded?.stop();
  };
  const environment = {
    PORT: String(port),
    DATABASE_URL: Object.assign(new URL(administratorUrl), { pathname: `/${name}` }).href,
    MIGRATE_ON_START: 'true',
    APP_SECRETS: randomBytes(32).toString('base64url'),
    ISSUER_URL: url,
    COOKIE_SECURE: 'false',
    BCRYPT_COST: '10',
    RATE_LIMIT_PER_MINUTE: '0',
    RATE_LIMIT_CREDENTIALS_PER_MINUTE: '0',
    LOG_LEVEL: 'silent',
  };
  try {
    const app = await startServer(loadConfig(environment));
    return { url, stop: () => app.close().then(cleanUp) };
  } catch (error) {
    await cleanUp();
    throw error;
  }
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
