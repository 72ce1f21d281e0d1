import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { findFreePort } from '../scripts/embedded-postgres.js';
import { type Child, type ChildOptions, startChild } from './child.js';
import type { Effort } from './interleave.js';
import type { Cores } from './machine.js';
import type { BenchDatabase, BenchPostgres } from './postgres.js';

export const ROOT = path.resolve(import.meta.dirname, '..');
export const ISSUER = 'https://auth.example.com';

/** What a row has to work with. All that it starts is ended after it. */
export type Stage = {
  effort: Effort;
  cores: Cores | undefined;
  secret: string;
  /** A migrated database of its own, with so many people, each with as many sessions as it takes. */
  database: (rows: { people: number; sessions: number }) => Promise<BenchDatabase>;
  /** An empty database, for those who bring their own tables. */
  emptyDatabase: () => Promise<BenchDatabase>;
  /** Starts one of `processes/` or `peers/`, on the server's core unless told otherwise. */
  child: (file: string, options?: Partial<ChildOptions>) => Promise<Child>;
  /** Starts the service as it was built. */
  service: (databaseUrl: string, settings?: NodeJS.ProcessEnv, options?: Partial<ChildOptions>) => Promise<Child>;
  /** Says something while it goes on. */
  note: (text: string) => void;
  postgres: BenchPostgres;
};

/** The service's settings: the defaults, and limits by address so high that 64 addresses at full speed stay below. */
export function serviceSettings(secret: string, databaseUrl: string): NodeJS.ProcessEnv {
  return {
    DATABASE_URL: databaseUrl,
    APP_SECRETS: secret,
    ISSUER_URL: ISSUER,
    ACCESS_TOKEN_SECONDS: '3600',
    RATE_LIMIT_PER_MINUTE: '1000000',
    RATE_LIMIT_CREDENTIALS_PER_MINUTE: '1000000',
  };
}

export function createStage(effort: Effort, cores: Cores | undefined, postgres: BenchPostgres) {
  const secret = randomBytes(32).toString('base64url');
  const children: Child[] = [];
  const databases: BenchDatabase[] = [];

  const child: Stage['child'] = async (file, options = {}) => {
    const started = startChild(path.join('bench', file), { cores: cores?.server, ...options });
    children.push(started);
    await started.ready;
    return started;
  };

  const stage: Stage = {
    effort,
    cores,
    secret,
    postgres,
    async database(rows) {
      const made = await postgres.create();
      databases.push(made);
      await made.migrate(secret);
      await made.fill(rows);
      return made;
    },
    async emptyDatabase() {
      const made = await postgres.create();
      databases.push(made);
      return made;
    },
    child,
    async service(databaseUrl, settings = {}, options = {}) {
      const port = await findFreePort();
      return child('processes/service.ts', {
        ...options,
        port,
        env: { ...serviceSettings(secret, databaseUrl), PORT: String(port), ...settings, ...options.env },
      });
    },
    note: (text) => console.log(`  ${text}`),
  };

  return {
    stage,
    async clear(): Promise<void> {
      await Promise.all(children.splice(0).map((one) => one.stop()));
      for (const one of databases.splice(0)) await one.drop();
    },
  };
}
