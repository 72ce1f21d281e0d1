import type { FastifyBaseLogger } from 'fastify';
import pg from 'pg';
import { settlesWithin } from '../shared/settles-within.js';
import { connectionOptions } from './connection-options.js';

type ListenerOptions = {
  /** A direct connection: a pooler in transaction mode cannot listen. */
  url: string;
  /** What to do with a message, by channel. */
  channels: Record<string, (payload: string) => void>;
  /** Called whenever it listens (again): what was said in between was not heard. */
  onListening: () => void;
  /** Sends a notification the way that the service's own are sent: from another connection. Rejects when it cannot. */
  notify: (channel: string, payload: string) => Promise<unknown>;
  log: Pick<FastifyBaseLogger, 'info' | 'warn'>;
};

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 1_000;
/** A connection that died without a word (a firewall, a lost host), or behind a pooler, is found out by an echo. */
const ASK_EVERY_MS = 5_000;
const ECHO_WITHIN_MS = 2_000;
const ECHO_CHANNEL = 'gatehouse_echo';

/**
 * Hears what Postgres notifies, on one connection for all channels that it opens again whenever it is lost. It counts as
 * listening only once it has heard an echo: through a pooler in transaction mode, LISTEN works and nothing is heard.
 */
export function createListener({ url, channels, onListening, notify, log }: ListenerOptions) {
  let client: pg.Client | undefined;
  let listening = false;
  let stopped = false;
  let attempts = 0;
  let retry: NodeJS.Timeout | undefined;
  let asking: NodeJS.Timeout | undefined;

  let echo: { token: string; heard: () => void } | undefined;

  async function connect(): Promise<void> {
    const opened = new pg.Client({ ...connectionOptions(url), application_name: 'gatehouse listener' });
    client = opened;
    opened.on('error', (error) => lose(opened, error));
    opened.on('end', () => lose(opened, new Error('the connection was closed')));
    opened.on('notification', ({ channel, payload = '' }) => {
      if (channel !== ECHO_CHANNEL) channels[channel]?.(payload);
      else if (payload === echo?.token) echo.heard();
    });
    try {
      await opened.connect();
      for (const channel of [ECHO_CHANNEL, ...Object.keys(channels)]) {
        await opened.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
      }
      if (!(await hearEcho())) throw new Error('the database could not be asked for an echo');
    } catch (error) {
      lose(opened, error as Error);
      return;
    }
    if (client !== opened) return;
    if (attempts > 0) log.info('listening to the database again');
    attempts = 0;
    listening = true;
    asking = setInterval(() => ask(opened).catch((error) => lose(opened, error)), ASK_EVERY_MS).unref();
    onListening();
  }

  /**
   * @returns false when the echo could not be sent: the other connections have their own troubles
   * @throws when it was sent and is not heard in time
   */
  async function hearEcho(): Promise<boolean> {
    const token = crypto.randomUUID();
    const heard = new Promise<void>((resolve) => {
      echo = { token, heard: resolve };
    });
    const isSent = await notify(ECHO_CHANNEL, token).then(
      () => true,
      () => false,
    );
    if (isSent && !(await settlesWithin(heard, ECHO_WITHIN_MS))) {
      throw new Error('what Postgres notifies is not heard; DATABASE_DIRECT_URL must lead past any pooler');
    }
    return isSent;
  }

  /** @throws when it does not hear any more */
  async function ask(opened: pg.Client): Promise<void> {
    // Without an echo, all that can be known is whether the connection is there.
    if (!(await hearEcho())) await opened.query('SELECT 1');
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
      echo?.heard();
      await open?.end().catch(() => {});
    },
  };
}
