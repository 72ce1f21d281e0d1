import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { startEmbeddedPostgres } from './embedded-postgres.js';

/** An empty database of its own, until it is dropped: on the Postgres of DATABASE_URL, or on an embedded one. */
export async function createThrowawayDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
  const given = process.env.DATABASE_URL;
  const embedded = given
    ? null
    : await startEmbeddedPostgres({ folder: '.gatehouse/service-postgres', throwaway: true });
  const administratorUrl = embedded?.url('postgres') ?? given ?? '';
  const name = `gatehouse_throwaway_${randomBytes(5).toString('hex')}`;
  await execute(administratorUrl, `CREATE DATABASE ${name}`);
  return {
    url: Object.assign(new URL(administratorUrl), { pathname: `/${name}` }).href,
    drop: async () => {
      await execute(administratorUrl, `DROP DATABASE ${name} WITH (FORCE)`);
      await embedded?.stop();
    },
  };
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
