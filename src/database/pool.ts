import pg from 'pg';
import { connectionOptions } from './connection-options.js';

/** Statements that may wait for each connection: about what it works off before whoever waits gives up. */
const WAITING_PER_CONNECTION = 100;

/** The connections of one instance. Nothing connects before the first statement. */
export function createPool(url: string, size: number): pg.Pool {
  const pool = new pg.Pool({ ...connectionOptions(url), max: size });
  endDirtyConnections(pool);
  boundQueue(pool, size * WAITING_PER_CONNECTION);
  return pool;
}

/**
 * A connection that comes back within a transaction is ended. Prisma gives one back when its COMMIT or ROLLBACK got no
 * answer in time; whoever took it next would write into that transaction, be told that it worked, and lose it all when
 * the connection ends.
 */
function endDirtyConnections(pool: pg.Pool): void {
  pool.on('release', (_error, client) => {
    // pg-pool drops a connection that is ending instead of keeping it.
    if (client.getTransactionStatus() !== 'I') client.end().catch(() => {});
  });
}

/** Refuses at once what would wait longer than anybody stays, so that a flood is told no while there is time to do better. */
function boundQueue(pool: pg.Pool, limit: number): void {
  const connect = pool.connect.bind(pool) as (done?: ConnectDone) => Promise<pg.PoolClient>;
  const bounded = (done?: ConnectDone) => {
    if (pool.waitingCount < limit) return connect(done);
    const error = Object.assign(new Error('Too many statements wait for the database.'), { code: POOL_IS_CROWDED });
    if (!done) return Promise.reject(error);
    process.nextTick(done, error, undefined, () => {});
    return undefined;
  };
  pool.connect = bounded as typeof pool.connect;
}

/** The code of the error for a statement that found the queue full; nothing of it was sent. */
export const POOL_IS_CROWDED = 'POOL_IS_CROWDED';

type ConnectDone = (error: Error | undefined, client: pg.PoolClient | undefined, release: () => void) => void;
