import { randomBytes } from 'node:crypto';
import { beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { freshDatabaseUrl, sql, testDatabaseUrl } from '../../support/database.js';
import { withClient } from '../../support/postgres.js';
import { sharedTestApp } from '../../support/test-app.js';
import { type Broken, databaseUrl, doctor, expectFound, SECRET, startSilentServer } from './support.js';

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

const SERVICES: Broken[] = [
  {
    what: 'a password that is not encoded',
    environment: () => ({ DATABASE_URL: `postgresql://someone:${SECRET}#/1@127.0.0.1:5432/x` }),
    name: 'database',
    status: 'failed',
    remedy: /[Pp]ercent-encode/,
  },
  {
    what: 'rights on some tables alone',
    environment: async () => {
      const url = await freshDatabaseUrl({ migrated: true });
      const role = `some_${randomBytes(4).toString('hex')}`;
      await withClient(url, (client) =>
        client.query(
          `CREATE ROLE ${role} LOGIN PASSWORD 'some'; GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}; REVOKE ALL ON attempts, _prisma_migrations FROM ${role}`,
        ),
      );
      onTestFinished(() =>
        withClient(url, (client) => client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)).then(() => {}),
      );
      return { DATABASE_URL: Object.assign(new URL(url), { username: role, password: 'some' }).href };
    },
    name: 'rights',
    status: 'failed',
    remedy: /GRANT/,
  },
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

test.each(SERVICES)('says what is wrong with what the service stands on, and how to mend it: $what', expectFound);
