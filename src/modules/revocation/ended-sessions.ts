import type { Clock } from '../../shared/clock.js';

export type EndedSessions<Reason extends string> = {
  /** Notes that a session ended, so that its access tokens are refused from now on. */
  add: (sessionId: string, reason: Reason, endedAt: Date) => void;
  /** Why a session ended lately; undefined if it did not. The gate asks this for every request. */
  reasonOf: (sessionId: string) => Reason | undefined;
  size: () => number;
};

/**
 * The sessions that ended within the last access-token lifetime, in memory. An access token cannot be taken back;
 * this list is what makes it worthless before it expires, without a query per request. Entries leave once every
 * access token of their session must have expired.
 *
 * @param rememberSeconds the access-token lifetime, and a little for clocks
 */
export function createEndedSessions<Reason extends string>(
  rememberSeconds: number,
  clock: Clock,
): EndedSessions<Reason> {
  // A Map keeps the order of insertion, which is nearly the order of ending: the oldest are at the front.
  const ended = new Map<string, { reason: Reason; forgetAt: number }>();

  function forgetOldest(): void {
    const now = clock.now();
    for (const [sessionId, { forgetAt }] of ended) {
      if (forgetAt > now) return;
      ended.delete(sessionId);
    }
  }

  return {
    add(sessionId, reason, endedAt) {
      forgetOldest();
      if (!ended.has(sessionId)) ended.set(sessionId, { reason, forgetAt: endedAt.getTime() + rememberSeconds * 1000 });
    },
    reasonOf: (sessionId) => ended.get(sessionId)?.reason,
    size: () => ended.size,
  };
}
