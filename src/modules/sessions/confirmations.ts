import { AsyncLocalStorage } from 'node:async_hooks';
import type { SessionRepository } from './session-repository.js';

type ConfirmationsOptions = {
  repository: Pick<SessionRepository, 'confirm'>;
  onError: (error: unknown) => void;
};

export type Confirmations = ReturnType<typeof createConfirmations>;

const FLUSH_EVERY_MS = 200;
/** While the database does not answer, twice as long after each attempt, up to this. */
const LAST_RETRY_MS = 5_000;
const BATCH = 1_000;
/** Notes that may wait for a database that does not answer; those past it are dropped, which costs a retry nothing. */
const MAX_WAITING = 100_000;

/**
 * Notes that clients have received a generation: an access token of it passed the gate. Until a generation is
 * confirmed, the token before it is still good for a retry. Notes are written in batches, a few times a second, so that
 * no request waits for them and none fails over them.
 */
export function createConfirmations({ repository, onError }: ConfirmationsOptions) {
  const waiting = new Map<string, number>();
  let timer: NodeJS.Timeout | undefined;
  let flushing: Promise<void> = Promise.resolve();
  let waitMs = FLUSH_EVERY_MS;
  let stopped = false;
  // A batch is nobody's own: what it logs and traces belongs to no single request.
  const outsideRequests = AsyncLocalStorage.snapshot();

  async function flush(): Promise<void> {
    while (waiting.size > 0) {
      const batch = firstOf(waiting, BATCH);
      await repository.confirm(batch);
      for (const [sessionId, generation] of batch) {
        if (waiting.get(sessionId) === generation) waiting.delete(sessionId);
      }
    }
  }

  function schedule(): void {
    if (stopped) return;
    timer ??= outsideRequests(setTimeout, writeWaiting, waitMs).unref();
  }

  function writeWaiting(): void {
    flushing = flush()
      .then(
        () => {
          waitMs = FLUSH_EVERY_MS;
        },
        (error) => {
          waitMs = Math.min(waitMs * 2, LAST_RETRY_MS);
          onError(error);
        },
      )
      .finally(() => {
        timer = undefined;
        if (waiting.size > 0) schedule();
      });
  }

  return {
    /** The client is known to have received this generation. */
    note(sessionId: string, generation: number): void {
      const noted = waiting.get(sessionId);
      if (noted === undefined ? waiting.size >= MAX_WAITING : noted >= generation) return;
      waiting.set(sessionId, generation);
      schedule();
    },

    /** What is noted here and not yet written; 0 for nothing. */
    waitingFor: (sessionId: string): number => waiting.get(sessionId) ?? 0,

    /** How many notes are not written yet. */
    size: (): number => waiting.size,

    /** Writes what is left. */
    async stop(): Promise<void> {
      stopped = true;
      clearTimeout(timer);
      await flushing;
      await flush().catch(onError);
    },
  };
}

function firstOf<Key, Value>(map: ReadonlyMap<Key, Value>, count: number): [Key, Value][] {
  const first: [Key, Value][] = [];
  for (const entry of map) {
    if (first.length === count) break;
    first.push(entry);
  }
  return first;
}
