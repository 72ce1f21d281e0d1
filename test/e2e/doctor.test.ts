import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { freshDatabaseUrl, sql, testDatabaseUrl } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import { run } from '../support/processes.js';
import { ISSUER, sharedTestApp, TEST_SECRET } from '../support/test-app.js';

type Check = { name: string; status: string; message: string; remedy?: string };

/** As an operator would have it. */
async function healthy(): Promise<NodeJS.ProcessEnv> {
  return {
    DATABASE_URL: await testDatabaseUrl(),
    APP_SECRETS: TEST_SECRET,
    ISSUER_URL: ISSUER,
    TRUSTED_PROXIES: '10.0.0.0/8',
    BCRYPT_COST: '10',
    HASH_CONCURRENCY: '1',
    DATABASE_POOL_SIZE: '2',
  };
}

async function doctor(environment: NodeJS.ProcessEnv, ...args: string[]) {
  const running = run('src/cli.ts', ['doctor', '--json', ...args], { ...(await healthy()), ...environment });
  const code = await running.exit;
  const output = running.output();
  const { ok, checks } = JSON.parse(output) as { ok: boolean; checks: Check[] };
  return { code, ok, checks, output };
}

/** A URL of the tests' database, changed. */
async function databaseUrl(change: Partial<URL>): Promise<string> {
  return Object.assign(new URL(await testDatabaseUrl()), change).href;
}

/** Takes connections and never says a word. @returns its port */
async function startSilentServer(): Promise<number> {
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

beforeAll(async () => {
  // The keys that the first instance makes.
  await sharedTestApp();
});

test('finds nothing wrong where nothing is', async () => {
  const { code, ok, checks } = await doctor({});
  const bad = checks.filter(
    ({ status, name }) => status !== 'ok' && status !== 'skipped' && name !== 'hashing' && name !== 'database-user',
  );
  expect(bad).toEqual([]);
  expect([code, ok]).toEqual([0, true]);
  for (const name of [
    'configuration',
    'issuer',
    'database',
    'clock',
    'migrations',
    'rights',
    'connections',
    'listener',
    'keys',
  ]) {
    expect(checks.map((check) => check.name)).toContain(name);
  }
});

type Broken = {
  what: string;
  environment: () => NodeJS.ProcessEnv | Promise<NodeJS.ProcessEnv>;
  name: string;
  status: 'failed' | 'warning';
  remedy: RegExp;
};

const SECRET = 'a-canary-in-a-password';

const SETTINGS: Broken[] = [
  {
    what: 'no settings at all',
    environment: () => ({ DATABASE_URL: '', APP_SECRETS: '', ISSUER_URL: '' }),
    name: 'configuration',
    status: 'failed',
    remedy: /variable that is named/,
  },
  {
    what: 'a secret that is too short',
    environment: () => ({ APP_SECRETS: 'c2hvcnQ' }),
    name: 'configuration',
    status: 'failed',
    remedy: /Mend/,
  },
  {
    what: 'a secret that is a pattern',
    environment: () => ({ APP_SECRETS: 'A'.repeat(43) }),
    name: 'configuration',
    status: 'failed',
    remedy: /Mend/,
  },
  {
    what: 'the same secret twice',
    environment: () => ({ APP_SECRETS: `${TEST_SECRET},${TEST_SECRET}` }),
    name: 'configuration',
    status: 'failed',
    remedy: /Mend/,
  },
  {
    what: 'a port that is no number',
    environment: () => ({ PORT: 'http' }),
    name: 'configuration',
    status: 'failed',
    remedy: /Mend/,
  },
  {
    what: 'a slash at the end of the issuer',
    environment: () => ({ ISSUER_URL: `${ISSUER}/` }),
    name: 'configuration',
    status: 'failed',
    remedy: /Mend/,
  },
  {
    what: 'a wildcard among the origins',
    environment: () => ({ ALLOWED_ORIGINS: 'https://*.example.test' }),
    name: 'configuration',
    status: 'failed',
    remedy: /Mend/,
  },
  {
    what: 'a path among the origins',
    environment: () => ({ ALLOWED_ORIGINS: 'https://app.example.test/login' }),
    name: 'configuration',
    status: 'failed',
    remedy: /Mend/,
  },
  {
    what: 'mail without a sender',
    environment: () => ({ SMTP_URL: 'smtp://127.0.0.1:1' }),
    name: 'configuration',
    status: 'failed',
    remedy: /Mend/,
  },
  {
    what: 'an issuer on plain http',
    environment: () => ({ ISSUER_URL: 'http://auth.example.test' }),
    name: 'issuer',
    status: 'failed',
    remedy: /https/,
  },
  {
    what: 'secure cookies on plain http',
    environment: () => ({ ISSUER_URL: 'http://auth.example.test' }),
    name: 'cookies',
    status: 'failed',
    remedy: /https/,
  },
  {
    what: 'an app on another site',
    environment: () => ({ ALLOWED_ORIGINS: 'https://app.elsewhere.test' }),
    name: 'cookies',
    status: 'warning',
    remedy: /reverse proxy|COOKIE_SAME_SITE=none/,
  },
  {
    what: 'a cookie for all sites that none needs',
    environment: () => ({ COOKIE_SAME_SITE: 'none' }),
    name: 'cookies',
    status: 'warning',
    remedy: /strict/,
  },
  {
    what: 'a plain http origin',
    environment: () => ({ ALLOWED_ORIGINS: 'http://app.example.test' }),
    name: 'cors',
    status: 'failed',
    remedy: /https/,
  },
  {
    what: 'localhost among the origins of production',
    environment: () => ({ ALLOWED_ORIGINS: 'http://localhost:5173' }),
    name: 'cors',
    status: 'warning',
    remedy: /out in production/,
  },
  {
    what: 'everybody trusted as a proxy',
    environment: () => ({ TRUSTED_PROXIES: '0.0.0.0/0' }),
    name: 'proxies',
    status: 'failed',
    remedy: /your own proxies/,
  },
  {
    what: 'no proxy trusted behind https',
    environment: () => ({ TRUSTED_PROXIES: '' }),
    name: 'proxies',
    status: 'warning',
    remedy: /TRUSTED_PROXIES/,
  },
  {
    what: 'metrics on the port of the service',
    environment: () => ({ METRICS_PORT: '3000' }),
    name: 'ports',
    status: 'failed',
    remedy: /another/,
  },
  {
    what: 'no grace',
    environment: () => ({ REFRESH_GRACE_SECONDS: '0' }),
    name: 'lifetimes',
    status: 'warning',
    remedy: /10/,
  },
  {
    what: 'no recovery',
    environment: () => ({ REFRESH_RECOVERY_SECONDS: '0' }),
    name: 'lifetimes',
    status: 'warning',
    remedy: /86400/,
  },
  {
    what: 'a cost of tests',
    environment: () => ({ BCRYPT_COST: '4' }),
    name: 'passwords',
    status: 'failed',
    remedy: /12/,
  },
  {
    what: 'no limit on passwords',
    environment: () => ({ RATE_LIMIT_CREDENTIALS_PER_MINUTE: '0' }),
    name: 'limits',
    status: 'warning',
    remedy: /30/,
  },
  {
    what: 'more hashed at once than there are cores',
    environment: () => ({ HASH_CONCURRENCY: '200' }),
    name: 'hashing',
    status: 'warning',
    remedy: /HASH_CONCURRENCY/,
  },
];

const SERVICES: Broken[] = [
  {
    what: 'a port on which nothing listens',
    environment: async () => ({ DATABASE_URL: await databaseUrl({ port: '1' }) }),
    name: 'database',
    status: 'failed',
    remedy: /Is Postgres running/,
  },
  {
    what: 'a host that is not known',
    environment: async () => ({ DATABASE_URL: await databaseUrl({ hostname: 'nowhere.invalid' }) }),
    name: 'database',
    status: 'failed',
    remedy: /host/,
  },
  {
    what: 'a wrong password',
    environment: async () => ({ DATABASE_URL: await databaseUrl({ password: SECRET }) }),
    name: 'database',
    status: 'failed',
    remedy: /password/,
  },
  {
    what: 'a database that is not there',
    environment: async () => ({ DATABASE_URL: await databaseUrl({ pathname: '/nowhere' }) }),
    name: 'database',
    status: 'failed',
    remedy: /Create it/,
  },
  {
    what: 'a database that never answers',
    environment: async () => ({ DATABASE_URL: `postgresql://u:${SECRET}@127.0.0.1:${await startSilentServer()}/x` }),
    name: 'database',
    status: 'failed',
    remedy: /network|hangs/,
  },
  {
    what: 'TLS that the server does not have',
    environment: async () => ({ DATABASE_URL: `${await testDatabaseUrl()}?sslmode=verify-full` }),
    name: 'database',
    status: 'failed',
    remedy: /sslmode/,
  },
  {
    what: 'a database without tables',
    environment: async () => ({ DATABASE_URL: await freshDatabaseUrl({ migrated: false }) }),
    name: 'migrations',
    status: 'failed',
    remedy: /migrate/,
  },
  {
    what: 'a migration that is not applied',
    environment: async () => {
      const url = await freshDatabaseUrl({ migrated: true });
      await withClient(url, (client) =>
        client.query("DELETE FROM _prisma_migrations WHERE migration_name LIKE '%disabled_accounts'"),
      );
      return { DATABASE_URL: url };
    },
    name: 'migrations',
    status: 'failed',
    remedy: /migrate/,
  },
  {
    what: 'a migration that broke off',
    environment: async () => {
      const url = await freshDatabaseUrl({ migrated: true });
      await withClient(url, (client) =>
        client.query("UPDATE _prisma_migrations SET finished_at = NULL WHERE migration_name LIKE '%disabled_accounts'"),
      );
      return { DATABASE_URL: url };
    },
    name: 'migrations',
    status: 'failed',
    remedy: /operations/,
  },
  {
    what: 'a database of a newer version',
    environment: async () => {
      const url = await freshDatabaseUrl({ migrated: true });
      await withClient(url, (client) =>
        client.query(
          "INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count) VALUES ('x', 'x', '20990101000000_later', now(), now(), 1)",
        ),
      );
      return { DATABASE_URL: url };
    },
    name: 'migrations',
    status: 'warning',
    remedy: /version/,
  },
  {
    what: 'a user without rights',
    environment: async () => {
      const url = await freshDatabaseUrl({ migrated: true });
      const role = `reader_${randomBytes(4).toString('hex')}`;
      await withClient(url, (client) =>
        client.query(
          `CREATE ROLE ${role} LOGIN PASSWORD 'reader'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`,
        ),
      );
      onTestFinished(() =>
        withClient(url, (client) => client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)).then(() => {}),
      );
      return { DATABASE_URL: Object.assign(new URL(url), { username: role, password: 'reader' }).href };
    },
    name: 'rights',
    status: 'failed',
    remedy: /GRANT/,
  },
  {
    what: 'a database that only reads',
    environment: async () => {
      const url = await freshDatabaseUrl({ migrated: true });
      const name = new URL(url).pathname.slice(1);
      await withClient(inject('postgres').administratorUrl, (client) =>
        client.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`),
      );
      return { DATABASE_URL: url };
    },
    name: 'database-role',
    status: 'failed',
    remedy: /primary/,
  },
  {
    what: 'a pool larger than Postgres allows',
    environment: () => ({ DATABASE_POOL_SIZE: '500' }),
    name: 'connections',
    status: 'failed',
    remedy: /DATABASE_POOL_SIZE/,
  },
  {
    what: 'a direct connection to another database',
    environment: async () => ({ DATABASE_DIRECT_URL: await freshDatabaseUrl({ migrated: true }) }),
    name: 'listener',
    status: 'failed',
    remedy: /DATABASE_DIRECT_URL/,
  },
  {
    what: 'a direct connection that cannot be made',
    environment: async () => ({ DATABASE_DIRECT_URL: await databaseUrl({ port: '1' }) }),
    name: 'database-direct',
    status: 'failed',
    remedy: /Postgres/,
  },
  {
    what: 'keys under a secret that was dropped',
    environment: () => ({ APP_SECRETS: randomBytes(32).toString('base64url') }),
    name: 'keys',
    status: 'failed',
    remedy: /APP_SECRETS/,
  },
  {
    what: 'a key that nobody rotated',
    environment: async () => {
      await sql("UPDATE signing_keys SET activated_at = now() - interval '60 days' WHERE status = 'active'");
      onTestFinished(() => sql("UPDATE signing_keys SET activated_at = now() WHERE status = 'active'").then(() => {}));
      return {};
    },
    name: 'keys',
    status: 'warning',
    remedy: /keys rotate/,
  },
  {
    what: 'a mail server that is not there',
    environment: () => ({
      SMTP_URL: `smtp://mailer:${SECRET}@127.0.0.1:1`,
      MAIL_FROM: 'a@example.test',
      APP_URL: 'https://app.example.test',
    }),
    name: 'mail',
    status: 'failed',
    remedy: /SMTP_URL/,
  },
  {
    what: 'a mail server that never answers',
    environment: async () => ({
      SMTP_URL: `smtp://mailer:${SECRET}@127.0.0.1:${await startSilentServer()}`,
      MAIL_FROM: 'a@example.test',
      APP_URL: 'https://app.example.test',
    }),
    name: 'mail',
    status: 'failed',
    remedy: /SMTP_URL/,
  },
  {
    what: 'links on plain http',
    environment: () => ({ APP_URL: 'http://app.example.test' }),
    name: 'links',
    status: 'failed',
    remedy: /https/,
  },
  {
    what: 'a Redis that is not there',
    environment: () => ({ REDIS_URL: `redis://someone:${SECRET}@127.0.0.1:1` }),
    name: 'redis',
    status: 'failed',
    remedy: /REDIS_URL/,
  },
  {
    what: 'a Redis that never answers',
    environment: async () => ({ REDIS_URL: `redis://127.0.0.1:${await startSilentServer()}` }),
    name: 'redis',
    status: 'failed',
    remedy: /REDIS_URL/,
  },
];

describe.each([
  ['settings', SETTINGS],
  ['what it stands on', SERVICES],
])('says what is wrong with %s, and how to mend it', (_subject, broken) => {
  test.each(broken)('$what', async ({ environment, name, status, remedy }) => {
    const startedAt = performance.now();
    const { code, ok, checks, output } = await doctor(await environment());
    const found = checks.filter((check) => check.name === name && check.status === status);
    expect(checks.map((check) => `${check.name} ${check.status}`)).toContain(`${name} ${status}`);
    expect(found.map((check) => check.remedy).join()).toMatch(remedy);
    const hasFailed = checks.some((check) => check.status === 'failed');
    expect([code, ok]).toEqual(hasFailed ? [1, false] : [0, true]);
    if (status === 'failed') expect(code).toBe(1);
    expect(output).not.toContain(SECRET);
    expect(output).not.toContain(TEST_SECRET);
    // Ten seconds are promised; the machine may have other work.
    expect(performance.now() - startedAt).toBeLessThan(40_000);
  });
});

test('--strict takes warnings for failures', async () => {
  expect((await doctor({ REFRESH_GRACE_SECONDS: '0' })).code).toBe(0);
  const { code, ok } = await doctor({ REFRESH_GRACE_SECONDS: '0' }, '--strict');
  expect([code, ok]).toEqual([1, false]);
});

test('prints a table for people, with the remedy under what is wrong', async () => {
  const running = run('src/cli.ts', ['doctor'], { ...(await healthy()), METRICS_PORT: '3000' });
  expect(await running.exit).toBe(1);
  expect(running.output()).toMatch(
    /^FAILED +ports +PORT and METRICS_PORT are both 3000\.\n +→ Give METRICS_PORT another one/m,
  );
  expect(running.output()).toMatch(/\d+ ok, \d+ warnings, 1 failed, \d+ skipped\n$/);
});

test('refuses what it does not know with code 2', async () => {
  const running = run('src/cli.ts', ['doctor', '--cure'], {});
  expect(await running.exit).toBe(2);
});
