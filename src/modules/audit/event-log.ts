import { setImmediate as nextTurn } from 'node:timers/promises';
import type { NewEvent } from './event.js';
import type { EventRepository } from './event-repository.js';

export type EventLog = ReturnType<typeof createEventLog>;

type EventLogOptions = { repository: Pick<EventRepository, 'add'>; onError: (error: unknown) => void };

/**
 * Records what no transaction goes with: a failed attempt. Nobody waits for it, so that an answer takes as long for an
 * account that exists as for one that does not.
 */
export function createEventLog({ repository, onError }: EventLogOptions) {
  const writing = new Set<Promise<void>>();

  return {
    addLater(event: NewEvent): void {
      // Not even begun before the answer is out: preparing the statement takes most of a millisecond.
      const write: Promise<void> = nextTurn()
        .then(() => repository.add(event))
        .catch(onError)
        .finally(() => writing.delete(write));
      writing.add(write);
    },

    /** Writes what is left. */
    async stop(): Promise<void> {
      await Promise.all(writing);
    },
  };
}
