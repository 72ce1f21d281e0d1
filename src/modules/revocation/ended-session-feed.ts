import type { EndedSessionRepository } from './ended-session-repository.js';
import type { EndedSessions } from './ended-sessions.js';

type ListenerLike = { start: () => Promise<void>; stop: () => Promise<void>; isListening: () => boolean };

type EndedSessionFeedOptions = {
  repository: EndedSessionRepository;
  endedSessions: Pick<EndedSessions, 'add'>;
  /** How far back an ending still matters: as long as the list remembers. */
  rememberSeconds: number;
  createListener: (handlers: { onMessage: (payload: string) => void; onListening: () => void }) => ListenerLike;
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
  let position = 0n;
  let lastPollAt = Number.NEGATIVE_INFINITY;
  let polling: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  const listener = options.createListener({
    onMessage(payload) {
      const [sessionId, reason] = payload.split(' ');
      if (sessionId && reason) endedSessions.add(sessionId, reason);
    },
    onListening: () => void poll().catch(onError),
  });

  /** One at a time; who asks meanwhile waits for the same answer. */
  function poll(): Promise<void> {
    polling ??= pollOnce().finally(() => {
      polling = undefined;
    });
    return polling;
  }

  async function pollOnce(): Promise<void> {
    const page = await repository.listSince(position, rememberSeconds);
    for (const { sessionId, reason } of page.ended) endedSessions.add(sessionId, reason);
    position = page.position;
    lastPollAt = performance.now();
  }

  return {
    /** Loads what ended lately, then keeps up. @throws when the database cannot be asked */
    async start(): Promise<void> {
      // Listening first: what ends between the two is heard, or found by the poll.
      await listener.start();
      await poll();
      timer = setInterval(() => poll().catch(onError), POLL_EVERY_MS).unref();
    },

    async stop(): Promise<void> {
      clearInterval(timer);
      await listener.stop();
    },

    isListening: () => listener.isListening(),
    /** Whether the list can be relied on: the database was asked a short while ago. */
    isFresh: (): boolean => performance.now() - lastPollAt < STALE_AFTER_MS,
  };
}
