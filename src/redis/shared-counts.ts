import { createHmac } from 'node:crypto';
import type { Redis } from './redis.js';

/** How often something happened within its window, and milliseconds until that is over. */
export type Count = { current: number; ttl: number };

export type SharedCounts = ReturnType<typeof createSharedCounts>;

type SharedCountsOptions = {
  redis: Pick<Redis, 'eval'>;
  /** What is counted may be an address of a person: Redis is told a MAC of it. */
  subjectMac: Buffer;
  /** Called when counting together ends or begins again. */
  onChange: (isUp: boolean, reason?: string) => void;
};

/** Atomic: a count without an end to its window would refuse somebody for ever. */
const COUNT = `
  local current = redis.call('INCR', KEYS[1])
  local ttl = redis.call('PTTL', KEYS[1])
  if ttl < 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
    ttl = tonumber(ARGV[1])
  end
  return { current, ttl }`;

/** A Redis that did not answer is left alone for so long, so that not every request waits for it in vain. */
const REST_MS = 1_000;

/** Counts that all instances share in Redis. When Redis does not answer, whoever asks is told so at once. */
export function createSharedCounts({ redis, subjectMac, onChange }: SharedCountsOptions) {
  let isUp = true;
  let restsUntil = Number.NEGATIVE_INFINITY;

  function change(next: boolean, reason?: string): void {
    if (next === isUp) return;
    isUp = next;
    onChange(next, reason);
  }

  return {
    /**
     * Counts one more.
     *
     * @param group what is counted together
     * @param subject of whom; never sent as it is
     * @returns null when Redis cannot be asked right now
     */
    async count(group: string, subject: string, windowMs: number): Promise<Count | null> {
      if (performance.now() < restsUntil) return null;
      const mac = createHmac('sha256', subjectMac).update(`rate limit\0${subject}`).digest('base64url');
      try {
        const answer = await redis.eval(COUNT, 1, `gatehouse:${group}:${mac}`, windowMs);
        const [current, ttl] = answer as [number, number];
        change(true);
        return { current, ttl };
      } catch (error) {
        restsUntil = performance.now() + REST_MS;
        change(false, error instanceof Error ? error.message : String(error));
        return null;
      }
    },

    isUp: (): boolean => isUp,
  };
}
