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
  const ended = new Map<string, { reason: string; forgetAt: number }>();

  function forgetOldest(now: number): void {
    for (const [sessionId, { forgetAt }] of ended) {
      if (forgetAt > now) return;
      ended.delete(sessionId);
    }
  }

  return {
    /** Notes that a session has ended, so that its access tokens are refused from now on. */
    add(sessionId: string, reason: string): void {
      const now = clock.now();
      forgetOldest(now);
      if (!ended.has(sessionId)) ended.set(sessionId, { reason, forgetAt: now + rememberSeconds * 1000 });
    },

    /** Why a session ended lately; undefined if it did not. The gate asks this for every request. */
    reasonOf: (sessionId: string): string | undefined => ended.get(sessionId)?.reason,

    size: (): number => ended.size,
  };
}
