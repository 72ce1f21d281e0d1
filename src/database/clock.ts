import type { Clock } from '../shared/clock.js';
import type { Database } from './database.js';

const SAMPLE_EVERY_MS = 30_000;

export type DatabaseClock = Clock & { start: () => Promise<void>; stop: () => void };

/**
 * The database's time, from this process's monotonic clock and a sampled difference. Tokens are dated by the database, so they
 * must be judged by its time too: an instance whose own clock is an hour off neither signs everyone out nor lets
 * dead tokens live.
 */
export function createDatabaseClock(database: Database, onError: (error: unknown) => void): DatabaseClock {
  let offsetMs = 0;
  let timer: NodeJS.Timeout | undefined;

  async function sample(): Promise<void> {
    const sentAt = performance.now();
    const rows = await database.$queryRaw<{ now: Date }[]>`SELECT clock_timestamp() AS now`;
    const middle = (sentAt + performance.now()) / 2;
    if (rows[0]) offsetMs = rows[0].now.getTime() - middle;
  }

  return {
    now: () => performance.now() + offsetMs,
    async start() {
      await sample();
      timer = setInterval(() => sample().catch(onError), SAMPLE_EVERY_MS).unref();
    },
    stop: () => clearInterval(timer),
  };
}
