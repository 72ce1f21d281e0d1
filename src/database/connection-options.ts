import type { PoolConfig } from 'pg';

/**
 * How this service talks to Postgres: `pg` waits for ever unless it is told not to, so every wait has a bound.
 * The server-side bounds come a little before the client-side one, so that the database, which knows the reason, speaks first.
 */
export function connectionOptions(databaseUrl: string) {
  return {
    connectionString: databaseUrl,
    application_name: 'gatehouse',
    connectionTimeoutMillis: 2_000,
    statement_timeout: 2_500,
    lock_timeout: 2_000,
    query_timeout: 2_800,
    idle_in_transaction_session_timeout: 5_000,
    keepAlive: true,
  } satisfies PoolConfig;
}
