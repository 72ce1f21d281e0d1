import type { FastifyBaseLogger } from 'fastify';
import pg from 'pg';
import { connectionOptions } from './connection-options.js';

type ListenerOptions = {
  /** A direct connection: a pooler in transaction mode cannot listen. */
  url: string;
  /** What to do with a message, by channel. */
  channels: Record<string, (payload: string) => void>;
  /** Called whenever it listens (again): what was said in between was not heard. */
  onListening: () => void;
  log: Pick<FastifyBaseLogger, 'info' | 'warn'>;
};

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;
/** A connection that died without a word (a firewall, a lost host) is found out by asking. */
const ASK_EVERY_MS = 5_000;

/** Hears what Postgres notifies, on one connection for all channels that it opens again whenever it is lost. */
export function createListener({ url, channels, onListening, log }: ListenerOptions) {
  let client: pg.Client | undefined;
  let listening = false;
  let stopped = false;
  let attempts = 0;
  let retry: NodeJS.Timeout | undefined;
  let asking: NodeJS.Timeout | undefined;

  async function connect(): Promise<void> {
    const opened = new pg.Client({ ...connectionOptions(url), application_name: 'gatehouse listener' });
    client = opened;
    opened.on('error', (error) => lose(opened, error));
    opened.on('end', () => lose(opened, new Error('the connection was closed')));
    opened.on('notification', ({ channel, payload }) => channels[channel]?.(payload ?? ''));
    try {
      await opened.connect();
      for (const channel of Object.keys(channels)) await opened.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
    } catch (error) {
      lose(opened, error as Error);
      return;
    }
    if (client !== opened) return;
    if (attempts > 0) log.info('listening to the database again');
    attempts = 0;
    listening = true;
    asking = setInterval(() => opened.query('SELECT 1').catch((error) => lose(opened, error)), ASK_EVERY_MS).unref();
    onListening();
  }

  function lose(lost: pg.Client, error: Error): void {
    if (client !== lost) return;
    client = undefined;
    listening = false;
    clearInterval(asking);
    lost.end().catch(() => {});
    if (stopped) return;
    if (attempts === 0) log.warn({ error: error.message }, 'stopped hearing the database; trying again');
    // Doubled each time and spread out, so that a hundred instances do not come back in one moment.
    const wait = Math.min(FIRST_RETRY_MS * 2 ** attempts, LAST_RETRY_MS) * (0.5 + Math.random());
    attempts += 1;
    retry = setTimeout(() => void connect(), wait).unref();
  }

  return {
    /** Resolves when it listens, or after the first attempt has failed: it goes on trying by itself. */
    start: connect,
    isListening: (): boolean => listening,
    async stop(): Promise<void> {
      stopped = true;
      clearTimeout(retry);
      clearInterval(asking);
      const open = client;
      client = undefined;
      listening = false;
      await open?.end().catch(() => {});
    },
  };
}
