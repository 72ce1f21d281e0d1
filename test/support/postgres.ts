import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../scripts/embedded-postgres.js';
import { applyMigrations } from '../../src/database/migrations.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** A database that may make others, and the migrated one that they are cloned from. */
    postgres: { administratorUrl: string; template: string };
  }
}

/** Before all tests of a project: a Postgres (DATABASE_URL, or the embedded one) with a migrated template in it. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.DATABASE_URL;
  const embedded = given ? null : await startEmbeddedPostgres({ folder: '.gatehouse/test-postgres', throwaway: true });
  const administratorUrl = embedded?.url('postgres') ?? given ?? '';
  const template = `gatehouse_test_${randomBytes(5).toString('hex')}`;

  await withClient(administratorUrl, (client) => client.query(`CREATE DATABASE ${template}`));
  await applyMigrations(urlOf(administratorUrl, template));
  project.provide('postgres', { administratorUrl, template });

  return async () => {
    await withClient(administratorUrl, async (client) => {
      const { rows } = await client.query('SELECT datname FROM pg_database WHERE starts_with(datname, $1)', [template]);
      for (const { datname } of rows) await client.query(`DROP DATABASE ${datname} WITH (FORCE)`);
    });
    await embedded?.stop();
  };
}

export function urlOf(administratorUrl: string, database: string): string {
  return Object.assign(new URL(administratorUrl), { pathname: `/${database}` }).href;
}

export async function withClient<Result>(url: string, work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
