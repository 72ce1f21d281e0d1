import { type EndedSessionCursor, type EndedSessionRepository, START } from './ended-session-repository.js';
import type { EndedSessions } from './ended-sessions.js';

type EndedSessionFeedOptions = {
  repository: EndedSessionRepository;
  endedSessions: Pick<EndedSessions, 'add'>;
  /** How far back an ending still matters: as long as the list remembers. */
  rememberSeconds: number;
  onError: (error: unknown) => void;
};

const POLL_EVERY_MS = 2_000;
/** An instance that has not asked successfully for so long may let ended sessions pass, and must not be sent requests. */
const STALE_AFTER_MS = 10_000;

/**
 * Keeps an instance's list of ended sessions up to date: Postgres tells each ending at once (NOTIFY); a poll every two
 * seconds repairs what was not heard; and all that matters is loaded before the first request.
 */
export function createEndedSessionFeed(options: EndedSessionFeedOptions) {
  const { repository, endedSessions, rememberSeconds, onError } = options;
  let position = START.position;
  let fromStart = true;
  let lastPollAt = Number.NEGATIVE_INFINITY;
  let polling: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  /** One at a time; who asks meanwhile waits for the same answer. */
  function poll(): Promise<void> {
    polling ??= pollOnce().finally(() => {
      polling = undefined;
    });
    return polling;
  }

  async function pollOnce(): Promise<void> {
    const wasFromStart = fromStart;
    fromStart = false;
    try {
      let oldestOpen: bigint | undefined;
      let cursor: EndedSessionCursor | null = wasFromStart ? START : { ...START, position };
      while (cursor !== null) {
        const page = await repository.listSince(cursor, rememberSeconds);
        for (const { sessionId, reason } of page.ended) endedSessions.add(sessionId, reason);
        oldestOpen ??= page.position;
        cursor = page.next;
      }
      position = oldestOpen ?? position;
      lastPollAt = performance.now();
    } catch (error) {
      fromStart ||= wasFromStart;
      throw error;
    }
  }

  return {
    /** What Postgres tells of one ending: `<session id> <reason>`. */
    hear(payload: string): void {
      const [sessionId, reason] = payload.split(' ');
      if (sessionId && reason) endedSessions.add(sessionId, reason);
    },

    /**
     * Asks now, for all that still matters: something may have been missed, and the database that answers may be
     * another one than before, which counts its transactions differently (a standby that was promoted, a restored dump).
     */
    catchUp(): void {
      fromStart = true;
      void poll().catch(onError);
    },

    /**
     * Loads what ended lately, then keeps up. Whoever listens should do so before: what ends between the two is heard,
     * or found by the poll.
     *
     * @throws when the database cannot be asked
     */
    async start(): Promise<void> {
      await poll();
      timer = setInterval(() => poll().catch(onError), POLL_EVERY_MS).unref();
    },

    stop: (): void => clearInterval(timer),

    /** Seconds since the database was last asked successfully. */
    ageSeconds: (): number => (performance.now() - lastPollAt) / 1_000,

    /** Whether the list can be relied on: the database was asked a short while ago. */
    isFresh: (): boolean => performance.now() - lastPollAt < STALE_AFTER_MS,
  };
}
