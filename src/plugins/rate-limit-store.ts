import type { FastifyRateLimitStoreCtor } from '@fastify/rate-limit';
import { LRUCache } from 'lru-cache';
import type { Count, SharedCounts } from '../redis/shared-counts.js';

type StoreParameters = { groupId?: string };
type Done = (error: Error | null, count?: Count) => void;

/**
 * A store for `@fastify/rate-limit` that counts in Redis, together with the other instances, and here as well: when Redis
 * does not answer, this instance goes on by what it has seen itself.
 *
 * @param remembered subjects that are counted here at once; past it the ones seen longest ago are forgotten
 */
export function sharedStore(counts: Pick<SharedCounts, 'count'>, remembered: number): FastifyRateLimitStoreCtor {
  function storeOf(group: string) {
    const local = createLocalCounts(remembered);
    return {
      incr(subject: string, done: Done, windowMs: number): void {
        const here = local.count(subject, windowMs);
        counts.count(group, subject, windowMs).then((shared) => done(null, shared ?? here), done);
      },
      child: ({ groupId }: StoreParameters) => storeOf(groupId ?? group),
    };
  }
  // The library makes its store with `new`.
  return function Store() {
    return storeOf('requests');
  } as unknown as FastifyRateLimitStoreCtor;
}

/** Counts of this instance alone, in windows that begin with the first of each subject. */
function createLocalCounts(remembered: number) {
  const windows = new LRUCache<string, { current: number; endsAt: number }>({ max: remembered });
  return {
    count(subject: string, windowMs: number): Count {
      const now = performance.now();
      const known = windows.get(subject);
      const open = known && known.endsAt > now ? known : { current: 0, endsAt: now + windowMs };
      open.current += 1;
      windows.set(subject, open);
      return { current: open.current, ttl: open.endsAt - now };
    },
  };
}
