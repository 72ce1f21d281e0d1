import type { PoolConfig } from 'pg';

/**
 * How this service talks to Postgres: `pg` waits for ever unless it is told not to, so every wait has a bound.
 * The server-side bounds come a little before the client-side one, so that the database, which knows the reason, speaks
 * first; all of them come before the time limit of a request (plugins/time-limit.ts). docs/timeouts.md has the whole list.
 */
export function connectionOptions(databaseUrl: string) {
  return {
    connectionString: databaseUrl,
    application_name: 'gatehouse',
    connectionTimeoutMillis: 1_500,
    statement_timeout: 2_000,
    lock_timeout: 1_500,
    query_timeout: 2_300,
    idle_in_transaction_session_timeout: 5_000,
    keepAlive: true,
  } satisfies PoolConfig;
}
