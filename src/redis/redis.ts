import { Redis } from 'ioredis';

type RedisOptions = {
  url: string;
  /** Called with what went wrong, whenever a connection cannot be had or is lost. */
  onError: (error: Error) => void;
};

/** How long an answer may take before the caller does without it. */
export const REDIS_ANSWER_MS = 100;
const CONNECT_MS = 1_000;
/** For so long after a command nothing comes over a connection that lives. */
const SILENCE_MS = 3_000;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 2_000;

export type { Redis };

/**
 * Opens a connection to Redis that waits for nobody: what cannot be sent at once, or is not answered in time, fails, and
 * the connection is opened again and again behind it.
 */
export function openRedis({ url, onError }: RedisOptions): Redis {
  const redis = new Redis(url, {
    connectionName: 'gatehouse',
    connectTimeout: CONNECT_MS,
    commandTimeout: REDIS_ANSWER_MS,
    // A connection that died without a word is opened anew.
    socketTimeout: SILENCE_MS,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(FIRST_RETRY_MS * 2 ** (attempt - 1), LAST_RETRY_MS),
  });
  redis.on('error', onError);
  return redis;
}
