import { setTimeout as pause } from 'node:timers/promises';
import type { RetentionRepository } from './retention-repository.js';

export type Cleaned = { sessions: number; incidents: number };

type RetentionJobOptions = {
  repository: RetentionRepository;
  retentionDays: number;
  /** Called after each run that deleted something. */
  onCleaned: (cleaned: Cleaned) => void;
  onError: (error: unknown) => void;
};

const RUN_EVERY_MS = 600_000;
/** Small, and with a rest after each: a refresh that comes in between waits for a few milliseconds at the most. */
const BATCH = 500;
const REST_MS = 50;

/** Lets old sessions and incidents leave, on every instance and without a plan between them. */
export function createRetentionJob({ repository, retentionDays, onCleaned, onError }: RetentionJobOptions) {
  const stopping = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;

  async function run(): Promise<Cleaned> {
    const cleaned = {
      sessions: (await deleteAll(repository.deleteEndedSessions)) + (await deleteAll(repository.deleteExpiredSessions)),
      incidents: await deleteAll(repository.deleteIncidents),
    };
    if (cleaned.sessions + cleaned.incidents > 0) onCleaned(cleaned);
    return cleaned;
  }

  async function deleteAll(deleteBatch: (days: number, batch: number) => Promise<number>): Promise<number> {
    let total = 0;
    while (!stopping.signal.aborted) {
      const deleted = await deleteBatch(retentionDays, BATCH);
      total += deleted;
      if (deleted === 0) break;
      await pause(REST_MS, undefined, { signal: stopping.signal }).catch(() => {});
    }
    return total;
  }

  function schedule(): void {
    // Spread out, so that instances that were started together do not clean together.
    timer = setTimeout(
      () => {
        running = run()
          .then(() => {}, onError)
          .finally(() => {
            if (!stopping.signal.aborted) schedule();
          });
      },
      RUN_EVERY_MS * (0.5 + Math.random()),
    ).unref();
  }

  return {
    start: schedule,
    /** One run now. */
    run,
    /** Ends after the batch at hand. */
    async stop(): Promise<void> {
      stopping.abort();
      clearTimeout(timer);
      await running;
    },
  };
}
