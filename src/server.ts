import closeWithGrace from 'close-with-grace';
import type { FastifyInstance } from 'fastify';
import { type BuildAppOptions, buildApp } from './app.js';
import { type Config, ConfigError, loadConfig } from './config.js';
import { applyMigrations } from './database/migrations.js';

/** `EX_CONFIG` of sysexits.h: do not restart me, mend the configuration. */
const EXIT_CONFIG = 78;
const SHUTDOWN_MS = 10_000;

/** Migrates if asked to, builds the app and listens. */
export async function startServer(config: Config, options: BuildAppOptions = {}): Promise<FastifyInstance> {
  if (config.migrateOnStart) await applyMigrations(config.databaseDirectUrl);
  const app = await buildApp(config, options);
  await app.listen({ host: config.host, port: config.port });
  return app;
}

async function main(): Promise<void> {
  const app = await startServer(loadConfig());
  closeWithGrace({ delay: SHUTDOWN_MS, logger: app.log }, async ({ err }) => {
    if (err) app.log.error({ err }, 'closing after an error that nobody caught');
    await app.close();
  });
}

if (process.argv[1] === import.meta.filename) {
  main().catch((error: unknown) => {
    console.error(error instanceof ConfigError ? error.message : startFailure(error));
    process.exit(error instanceof ConfigError ? EXIT_CONFIG : 1);
  });
}

function startFailure(error: unknown): string {
  return `Gatehouse could not start: ${error instanceof Error ? error.message : String(error)}`;
}
