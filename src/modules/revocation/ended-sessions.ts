import type { Clock } from '../../shared/clock.js';

export type EndedSessions = ReturnType<typeof createEndedSessions>;

/**
 * The sessions that ended within the last access-token lifetime, in memory. An access token cannot be taken back;
 * this list is what makes it worthless before it expires, without a query per request. Entries leave once every
 * access token of their session must have expired.
 *
 * @param rememberSeconds the longest access-token lifetime, and a little for clocks
 * @param clock one that only goes forward: a clock that jumps must not empty the list
 */
export function createEndedSessions(rememberSeconds: number, clock: Clock) {
  // A Map keeps the order of insertion, and all are remembered for as long: the oldest are at the front.
  const ended = new Map<string, number>();
  const reasons: string[] = [];
  const startedAt = clock.now();

  /** When to forget it and why it ended, in one number that needs no memory of its own: a million entries are 86 MB. */
  function pack(reason: string, forgetAtSecond: number): number {
    if (!reasons.includes(reason)) reasons.push(reason);
    return forgetAtSecond * MAX_REASONS + reasons.indexOf(reason);
  }

  const secondsSinceStart = () => (clock.now() - startedAt) / 1000;

  function forgetOldest(now: number): void {
    for (const [sessionId, packed] of ended) {
      if (Math.floor(packed / MAX_REASONS) > now) return;
      ended.delete(sessionId);
    }
  }

  return {
    /** Notes that a session has ended, so that its access tokens are refused from now on. */
    add(sessionId: string, reason: string): void {
      const now = secondsSinceStart();
      forgetOldest(now);
      if (!ended.has(sessionId)) ended.set(flat(sessionId), pack(reason, Math.ceil(now + rememberSeconds)));
    },

    /** Why a session ended lately; undefined if it did not. The gate asks this for every request. */
    reasonOf(sessionId: string): string | undefined {
      const packed = ended.get(sessionId);
      return packed === undefined ? undefined : reasons[packed % MAX_REASONS];
    },

    size: (): number => ended.size,
  };
}

/** There are seven. */
const MAX_REASONS = 32;

/** A string of its own: V8 keeps a piece of a longer text, such as a notification, as a reference to all of it. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
