import { expect, test } from 'vitest';
import { applyMigrations } from '../../../src/database/migrations.js';
import { freshDatabaseUrl } from '../../support/database.js';
import { withClient } from '../../support/postgres.js';
import { buildTestApp, cookieOf, refresh, register } from '../../support/test-app.js';

const LAST = '20261123022500_disabled_accounts';

/** A database that lacks the last migration, which changes the table of users. */
async function lackingOne(): Promise<string> {
  const url = await freshDatabaseUrl({ migrated: true });
  await withClient(url, async (client) => {
    await client.query('DELETE FROM _prisma_migrations WHERE migration_name = $1', [LAST]);
    await client.query('ALTER TABLE users DROP COLUMN disabled_at');
  });
  return url;
}

const historyOf = (url: string) =>
  withClient(url, async (client) => {
    const { rows } = await client.query(
      'SELECT finished_at IS NOT NULL AS finished, rolled_back_at IS NOT NULL AS undone FROM _prisma_migrations WHERE migration_name = $1',
      [LAST],
    );
    return rows;
  });

test('a migration that finds its table held gives up, begins anew, and holds up nobody for long', {
  timeout: 60_000,
}, async () => {
  const url = await lackingOne();
  await withClient(url, async (holder) => {
    await holder.query('BEGIN');
    await holder.query('SELECT count(*) FROM users');
    let isDone = false;
    const migrated = applyMigrations(url).finally(() => {
      isDone = true;
    });
    // Somebody else reads the table meanwhile, and waits no longer than the migration does.
    let slowest = 0;
    await withClient(url, async (reader) => {
      const until = performance.now() + 5_000;
      while (performance.now() < until) {
        const startedAt = performance.now();
        await reader.query('SELECT count(*) FROM users');
        slowest = Math.max(slowest, performance.now() - startedAt);
      }
    });
    expect(isDone).toBe(false);
    expect(slowest).toBeLessThan(4_000);
    await holder.query('COMMIT');
    expect(await migrated).toEqual([LAST]);
  });
  const history = await historyOf(url);
  expect(history.filter(({ finished }) => finished)).toHaveLength(1);
  expect(history.filter(({ finished }) => !finished).every(({ undone }) => undone)).toBe(true);
  expect(history.length).toBeGreaterThan(1);
  expect(await applyMigrations(url)).toEqual([]);
  const { app } = await buildTestApp({ DATABASE_URL: url });
  const person = await register(app);
  expect(cookieOf(await refresh(app, person.refreshToken))).toBeDefined();
});

test('a table that is held for ever is told of in plain words, and nothing is half done', {
  timeout: 90_000,
}, async () => {
  const url = await lackingOne();
  await withClient(url, async (holder) => {
    await holder.query('BEGIN');
    await holder.query('SELECT count(*) FROM users');
    await expect(applyMigrations(url)).rejects.toThrow('could not get a table for itself within half a minute');
    await holder.query('ROLLBACK');
  });
  expect((await historyOf(url)).every(({ undone }) => undone)).toBe(true);
  expect(await applyMigrations(url)).toEqual([LAST]);
});
