import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { urlOf, withClient } from './postgres.js';

let cloned: Promise<string> | undefined;

/** The URL of this worker's own database: a clone of the migrated template, made at first use. */
export function testDatabaseUrl(): Promise<string> {
  cloned ??= cloneTemplate(`w${process.env.VITEST_POOL_ID}`);
  return cloned;
}

/** One more database, cloned or empty, for tests that must not share. */
export async function freshDatabaseUrl({ migrated }: { migrated: boolean }): Promise<string> {
  const name = `f${randomBytes(5).toString('hex')}`;
  return migrated ? cloneTemplate(name) : createEmpty(name);
}

async function cloneTemplate(suffix: string): Promise<string> {
  const { administratorUrl, template } = inject('postgres');
  const name = `${template}_${suffix}`;
  await create(administratorUrl, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  return urlOf(administratorUrl, name);
}

async function createEmpty(suffix: string): Promise<string> {
  const { administratorUrl, template } = inject('postgres');
  const name = `${template}_${suffix}`;
  await create(administratorUrl, `CREATE DATABASE ${name}`);
  return urlOf(administratorUrl, name);
}

async function create(administratorUrl: string, statement: string): Promise<void> {
  const DUPLICATE_DATABASE = '42P04';
  const OBJECT_IN_USE = '55006';
  for (let attempt = 1; ; attempt += 1) {
    try {
      await withClient(administratorUrl, (client) => client.query(statement));
      return;
    } catch (error) {
      const { code } = error as { code?: string };
      // An earlier test file of the same worker made it.
      if (code === DUPLICATE_DATABASE) return;
      // Another worker clones the template at this moment.
      if (code !== OBJECT_IN_USE || attempt === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20 * attempt));
    }
  }
}

let pool: pg.Pool | undefined;

/** Asks this worker's database, past the service. */
export async function sql<Row extends pg.QueryResultRow>(statement: string, values: unknown[] = []): Promise<Row[]> {
  pool ??= new pg.Pool({ connectionString: await testDatabaseUrl(), max: 2 });
  return (await pool.query<Row>(statement, values)).rows;
}

/** Ends the connections of `sql`. */
export async function closeSql(): Promise<void> {
  await pool?.end();
  pool = undefined;
}
