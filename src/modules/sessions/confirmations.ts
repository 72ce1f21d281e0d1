import type { SessionRepository } from './session-repository.js';

type ConfirmationsOptions = {
  repository: Pick<SessionRepository, 'confirm'>;
  onError: (error: unknown) => void;
};

export type Confirmations = ReturnType<typeof createConfirmations>;

const FLUSH_EVERY_MS = 200;
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

  async function flush(): Promise<void> {
    while (waiting.size > 0) {
      const batch = [...waiting].slice(0, BATCH);
      await repository.confirm(batch);
      for (const [sessionId, generation] of batch) {
        if (waiting.get(sessionId) === generation) waiting.delete(sessionId);
      }
    }
  }

  function schedule(): void {
    timer ??= setTimeout(() => {
      flush()
        .catch(onError)
        .finally(() => {
          timer = undefined;
          if (waiting.size > 0) schedule();
        });
    }, FLUSH_EVERY_MS).unref();
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
      clearTimeout(timer);
      await flush().catch(onError);
    },
  };
}
