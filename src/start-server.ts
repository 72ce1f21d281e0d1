import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { type BuildAppOptions, buildApp } from './app.js';
import { buildStartingApp } from './app-starting.js';
import type { Config } from './config.js';
import { isDatabaseUnavailable } from './database/faults.js';
import { applyMigrations } from './database/migrations.js';
import { settlesWithin } from './shared/settles-within.js';
import type { Tracing } from './tracing/tracing.js';

export type Server = {
  /** Resolves when the service listens, or was closed before; rejects when it cannot start. */
  ready: Promise<void>;
  /** Goes on serving for SHUTDOWN_DELAY_SECONDS, not ready, so that balancers look elsewhere before the port closes. */
  drain: () => Promise<void>;
  /** Stops listening, answers what is in flight, and lets go of everything. */
  close: () => Promise<void>;
  log: FastifyBaseLogger;
};

/** A database that answers is done with by then; only who waits longer is told so. */
const SOON_MS = 1_000;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 1_000;
/** For the last traces; a collector that is away must not hold up the end. */
const FLUSH_MS = 2_000;

/**
 * Migrates if asked to, builds the app and listens. While the database cannot be asked, it tries again and again, and
 * listens all the same: alive, not ready, everything else 503. What waiting cannot mend (a wrong password, a database
 * that is not there, a port that is taken) ends the start.
 */
export function startServer(config: Config, options: BuildAppOptions = {}): Server {
  const closing = new AbortController();
  const starting = buildStartingApp(config, options);
  let app: FastifyInstance | undefined;
  let tracing: Tracing | undefined;

  async function start(): Promise<void> {
    const built = build();
    let { port } = config;
    try {
      if (!(await settlesWithin(built, SOON_MS))) {
        await starting.listen({
          host: config.host,
          port,
          listenTextResolver: (address) => `Not ready yet, and alive at ${address}`,
        });
        port = (starting.server.address() as AddressInfo).port;
      }
      await built;
    } finally {
      await starting.close();
    }
    await app?.listen({ host: config.host, port });
  }

  async function build(): Promise<void> {
    // Loaded only where it is wanted.
    if (config.tracing) tracing = (await import('./tracing/tracing.js')).startTracing(config.tracing);
    for (let attempt = 0; !closing.signal.aborted; attempt += 1) {
      try {
        if (config.migrateOnStart) await applyMigrations(config.databaseDirectUrl);
        const built = await buildApp(config, { ...options, tracing });
        if (closing.signal.aborted) await built.close();
        else app = built;
        return;
      } catch (error) {
        if (!isDatabaseUnavailable(error)) throw error;
        if (attempt === 0) starting.log.warn({ error: String(error) }, 'the database cannot be asked; waiting for it');
      }
      await sleep(Math.min(FIRST_RETRY_MS * 2 ** attempt, LAST_RETRY_MS), closing.signal);
    }
  }

  const ready = start().catch(async (error) => {
    await close();
    throw error;
  });

  async function drain(): Promise<void> {
    if (app === undefined || config.shutdownDelaySeconds === 0) return;
    app.startDraining();
    app.log.info({ seconds: config.shutdownDelaySeconds }, 'not ready any more, and serving on for a while');
    await sleep(config.shutdownDelaySeconds * 1_000, closing.signal);
  }

  async function close(): Promise<void> {
    closing.abort();
    await starting.close();
    await app?.close();
    if (tracing) await settlesWithin(tracing.flush(), FLUSH_MS);
  }

  return { ready, drain, close, log: starting.log };
}

/** Ends early, and well, when it is told to close. */
const sleep = (milliseconds: number, signal: AbortSignal) => pause(milliseconds, undefined, { signal }).catch(() => {});
