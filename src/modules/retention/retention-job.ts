import { setTimeout as pause } from 'node:timers/promises';
import type { RetentionRule } from './retention-repository.js';

/** How many rows left or were erased, by table; tables without any are not named. */
export type Cleaned = Record<string, number>;

type RetentionJobOptions = {
  rules: readonly RetentionRule[];
  /** Called after each run that deleted something. */
  onCleaned: (cleaned: Cleaned) => void;
  onError: (error: unknown) => void;
};

const RUN_EVERY_MS = 600_000;
/** Small, and with a rest after each: a refresh that comes in between waits for a few milliseconds at the most. */
const BATCH = 500;
const REST_MS = 50;

/** Lets old rows leave, on every instance and without a plan between them. */
export function createRetentionJob({ rules, onCleaned, onError }: RetentionJobOptions) {
  const stopping = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;

  async function run(): Promise<Cleaned> {
    const cleaned: Cleaned = {};
    for (const { table, clean } of rules) {
      const count = await cleanAll(clean);
      if (count > 0) cleaned[table] = (cleaned[table] ?? 0) + count;
    }
    onCleaned(cleaned);
    return cleaned;
  }

  async function cleanAll(clean: RetentionRule['clean']): Promise<number> {
    let total = 0;
    while (!stopping.signal.aborted) {
      const count = await clean(BATCH);
      total += count;
      if (count === 0) break;
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
