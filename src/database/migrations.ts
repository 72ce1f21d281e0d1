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
    const applied = await withSchemaEngine(new PrismaPg(databaseUrl), async (engine, migrations) => {
      const answer = await engine.applyMigrations({ migrationsList: migrations, filters: NO_FILTERS });
      return answer.appliedMigrationNames;
    });
    if (lost) throw new Error('The migration lock was lost while migrating. Run it once more.', { cause: lost });
    return applied;
  } finally {
    await lockHolder.end().catch(() => {});
  }
}
