import type { FastifyInstance } from 'fastify';
import { type BuildAppOptions, buildApp } from './app.js';
import type { Config } from './config.js';
import { applyMigrations } from './database/migrations.js';

/** Migrates if asked to, builds the app and listens. */
export async function startServer(config: Config, options: BuildAppOptions = {}): Promise<FastifyInstance> {
  if (config.migrateOnStart) await applyMigrations(config.databaseDirectUrl);
  const app = await buildApp(config, options);
  try {
    await app.listen({ host: config.host, port: config.port });
    return app;
  } catch (error) {
    await app.close();
    throw error;
  }
}
