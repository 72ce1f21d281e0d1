import { setTimeout as sleep } from 'node:timers/promises';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { connectionOptions } from './connection-options.js';
import { NO_FILTERS, withSchemaEngine } from './schema-engine.js';

/** Any number, as long as nothing else in this database locks the same one. */
const MIGRATION_LOCK = 7_203_851_114;

/**
 * Applies every migration that the database has not seen yet, in order, and notes each in Prisma's own history table
 * (`_prisma_migrations`), so that Prisma's CLI and this function can take turns on one database.
 * Any number of processes may call it at once: one works, the others wait for it and then find nothing to do.
 *
 * @param databaseUrl a direct connection; a pooler in transaction mode would lose the lock
 * @returns the names of the migrations that this call applied
 * @throws when the database cannot be reached, a migration fails, or one that was applied has been edited since
 */
export async function applyMigrations(databaseUrl: string): Promise<string[]> {
  const lockHolder = new pg.Client({
    ...connectionOptions(databaseUrl),
    // Waiting for another process that migrates is no fault, however long it takes.
    statement_timeout: 0,
    lock_timeout: 0,
    query_timeout: 0,
  });
  // The lock goes with its connection, and then others may migrate at the same time: to be told, not to be hidden.
  let lost: Error | undefined;
  lockHolder.on('error', (error) => {
    lost = error;
  });
  await lockHolder.connect();
  try {
    await lockHolder.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const applied = await applyWithoutQueueing(databaseUrl, lockHolder);
    if (lost) throw new Error('The migration lock was lost while migrating. Run it once more.', { cause: lost });
    return applied;
  } finally {
    await lockHolder.end().catch(() => {});
  }
}

/**
 * A migration that waits for a table makes every statement that comes after it wait too, however briefly that holds the
 * table: so it gives up soon, lets them through, and begins anew. Each migration is sent as one message, and so is one
 * transaction: of one that gave up nothing is left but the engine's note, which is marked as undone.
 *
 * @param lockHolder a connection to note that on
 */
async function applyWithoutQueueing(databaseUrl: string, lockHolder: pg.Client): Promise<string[]> {
  const settings = { connectionString: databaseUrl, options: `-c lock_timeout=${TABLE_LOCK_MS}` };
  const applied: string[] = [];
  for (let attempt = 1; ; attempt += 1) {
    const known = await finishedMigrations(lockHolder);
    try {
      const names = await withSchemaEngine(new PrismaPg(settings), async (engine, migrations) => {
        const answer = await engine.applyMigrations({ migrationsList: migrations, filters: NO_FILTERS });
        return answer.appliedMigrationNames;
      });
      return [...applied, ...names];
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      await lockHolder.query(
        'UPDATE _prisma_migrations SET rolled_back_at = now() WHERE finished_at IS NULL AND rolled_back_at IS NULL',
      );
      if (attempt === ATTEMPTS) throw new Error(BUSY, { cause: error });
      const since = await finishedMigrations(lockHolder);
      applied.push(...since.filter((name) => !known.includes(name)));
      await sleep(REST_MS);
    }
  }
}

/** Long enough for whoever holds a table for the length of a request, and short enough that nobody notices the queue. */
const TABLE_LOCK_MS = 2_000;
const REST_MS = 1_000;
const ATTEMPTS = 10;
const BUSY =
  'A migration could not get a table for itself within half a minute: something else holds it. Nothing of it was applied. ' +
  'Look for long transactions (SELECT pid, xact_start, query FROM pg_stat_activity ORDER BY xact_start), end them, and migrate again.';

async function finishedMigrations(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query("SELECT to_regclass('_prisma_migrations') IS NOT NULL AS there");
  if (!rows[0].there) return [];
  const finished = await client.query<{ name: string }>(
    'SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL ORDER BY started_at',
  );
  return finished.rows.map(({ name }) => name);
}

function isLockTimeout(error: unknown): boolean {
  return ((error as Error).cause as { code?: string } | undefined)?.code === '55P03';
}
