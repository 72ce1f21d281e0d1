import { once } from 'node:events';
import type { FastifyInstance } from 'fastify';
import type { Config } from './config.js';
import { createSharedCounts, type SharedCounts } from './redis/shared-counts.js';
import type { KeyRing } from './shared/key-ring.js';
import { settlesWithin } from './shared/settles-within.js';

const CONNECT_WITHIN_MS = 250;

export type RedisMetrics = { redisChanged: (isUp: boolean) => void };

/** What instances count together, when REDIS_URL is set; undefined when each counts for itself. */
export async function buildSharedCounts(
  { redisUrl }: Config,
  app: FastifyInstance,
  keyRing: KeyRing,
  metrics: RedisMetrics,
): Promise<SharedCounts | undefined> {
  if (redisUrl === undefined) return undefined;
  const { log } = app;
  // Its library takes 7 MB: only where there is a Redis.
  const { openRedis } = await import('./redis/redis.js');
  const redis = openRedis({
    url: redisUrl,
    // Told once by whoever counts; each failed attempt to connect would be a line more.
    onError: (error) => log.debug({ error: error.message }, 'Redis'),
  });
  app.addHook('onClose', async () => redis.disconnect());
  metrics.redisChanged(true);
  // The first requests should find it there; one that is not there is no reason not to start.
  await settlesWithin(once(redis, 'ready'), CONNECT_WITHIN_MS);
  return createSharedCounts({
    redis,
    subjectMac: keyRing.current.attemptSubjectMac,
    onChange(isUp, reason) {
      metrics.redisChanged(isUp);
      if (isUp) log.info({ event: 'redis_back' }, 'Redis answers again: rate limits are shared by all instances');
      else
        log.warn(
          { event: 'redis_gone', error: reason },
          'Redis does not answer: this instance limits by its own counts',
        );
    },
  });
}
