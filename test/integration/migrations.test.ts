import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { diffMigrationsToSchema } from '../../scripts/schema-diff.js';
import { applyMigrations } from '../../src/database/migrations.js';
import { freshDatabaseUrl } from '../support/database.js';
import { withClient } from '../support/postgres.js';

const FOLDER = 'prisma/migrations';

async function migrationNames(): Promise<string[]> {
  const entries = await readdir(FOLDER, { withFileTypes: true });
  return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort();
}

/** The table as Prisma's own CLI makes it. */
const PRISMA_HISTORY = `
  CREATE TABLE _prisma_migrations (
    id                  VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum            VARCHAR(64) NOT NULL,
    finished_at         TIMESTAMPTZ,
    migration_name      VARCHAR(255) NOT NULL,
    logs                TEXT,
    rolled_back_at      TIMESTAMPTZ,
    started_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count INTEGER NOT NULL DEFAULT 0
  )`;

test('the migrations lead exactly to schema.prisma', async () => {
  const url = await freshDatabaseUrl({ migrated: false });
  expect(await diffMigrationsToSchema(url)).toBe('');
});

test('applies all migrations to an empty database, notes them as Prisma does, and then finds nothing to do', async () => {
  const url = await freshDatabaseUrl({ migrated: false });
  expect(await applyMigrations(url)).toEqual(await migrationNames());
  expect(await applyMigrations(url)).toEqual([]);
  const { rows } = await withClient(url, (client) =>
    client.query('SELECT migration_name, checksum, finished_at, applied_steps_count FROM _prisma_migrations'),
  );
  expect(rows).toHaveLength((await migrationNames()).length);
  for (const row of rows) {
    const sql = await readFile(`${FOLDER}/${row.migration_name}/migration.sql`);
    expect(row.checksum).toBe(createHash('sha256').update(sql).digest('hex'));
    expect(row.finished_at).not.toBeNull();
  }
});

test("takes over a database that Prisma's own CLI migrated", async () => {
  const url = await freshDatabaseUrl({ migrated: false });
  await withClient(url, async (client) => {
    await client.query(PRISMA_HISTORY);
    for (const name of await migrationNames()) {
      const sql = await readFile(`${FOLDER}/${name}/migration.sql`, 'utf8');
      await client.query(sql);
      await client.query(
        'INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count) VALUES ($1, $2, now(), $3, 1)',
        [randomUUID(), createHash('sha256').update(sql).digest('hex'), name],
      );
    }
  });
  expect(await applyMigrations(url)).toEqual([]);
});

test('lets ten callers migrate one database at once: one works, nine find nothing to do', async () => {
  const url = await freshDatabaseUrl({ migrated: false });
  const applied = await Promise.all(Array.from({ length: 10 }, () => applyMigrations(url)));
  expect(applied.filter((names) => names.length > 0)).toEqual([await migrationNames()]);
});

test('applies a migration whole or not at all, and says what is wrong', async () => {
  const url = await freshDatabaseUrl({ migrated: false });
  // In the way of the last statements of the first migration: what came before them must not stay.
  await withClient(url, (client) => client.query('CREATE TABLE signing_keys (id int)'));
  await expect(applyMigrations(url)).rejects.toThrow();
  const { rows } = await withClient(url, (client) => client.query("SELECT to_regclass('sessions') AS sessions"));
  expect(rows).toEqual([{ sessions: null }]);
});
