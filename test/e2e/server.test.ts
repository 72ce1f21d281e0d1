import { expect, test } from 'vitest';
import { freshDatabaseUrl, testDatabaseUrl } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import { run, waitForOutput } from '../support/processes.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { freshEmail, PASSWORD, testEnvironment } from '../support/test-app.js';

async function startServer(environment: NodeJS.ProcessEnv) {
  const server = run('src/server.ts', [], await testEnvironment({ PORT: '0', ...environment }));
  const [, url = ''] = await waitForOutput(server, /Server listening at (http:[^"]+)/);
  return { ...server, url };
}

test('refuses to start with faults: one list of all of them, code 78, no stack trace', async () => {
  const server = run('src/server.ts', [], {
    PORT: 'x',
    ISSUER_URL: 'https://auth.example.com',
    COOKIE_SECURE: 'false',
  });
  expect(await server.exit).toBe(78);
  const output = server.output();
  for (const name of ['DATABASE_URL', 'APP_SECRETS', 'PORT', 'COOKIE_SECURE']) expect(output).toContain(`- ${name}`);
  expect(output).not.toMatch(/^\s+at /m);
});

/** A URL of the tests' own server, changed. */
async function databaseUrl(change: (url: URL) => void): Promise<string> {
  const url = new URL(await testDatabaseUrl());
  change(url);
  return url.href;
}

test.each([
  [
    'a password that is wrong',
    (url: URL) => {
      url.password = 'secret-password';
    },
  ],
  [
    'a database that is not there',
    (url: URL) => {
      url.pathname = '/nowhere';
    },
  ],
])('ends with one line, since waiting would not help, for %s', async (_what, change) => {
  const server = run('src/server.ts', [], await testEnvironment({ DATABASE_URL: await databaseUrl(change) }));
  expect(await server.exit).toBe(1);
  expect(server.output()).toContain('Gatehouse could not start');
  expect(server.output()).not.toMatch(/secret-password|^\s+at /m);
});

test('listens while the database is away, alive and not ready, and serves as soon as it is there', async () => {
  const proxy = await startTcpProxy(new URL(await testDatabaseUrl()));
  proxy.cut();
  const server = run('src/server.ts', [], await testEnvironment({ PORT: '0', DATABASE_URL: proxy.url }));
  const [, url = ''] = await waitForOutput(server, /alive at (http:[^"]+)/);
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  const waiting = await fetch(`${url}/readyz`);
  expect(waiting.status).toBe(503);
  expect(await waiting.json()).toMatchObject({ checks: { database: 'failing', startup: 'waiting' } });
  const refused = await fetch(`${url}/v1/auth/refresh`, { method: 'POST' });
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).toBe('1');
  expect(await refused.json()).toMatchObject({ code: 'unavailable' });

  proxy.mend();
  const isReady = () =>
    fetch(`${url}/readyz`).then(
      ({ status }) => status,
      () => 0,
    );
  await expect.poll(isReady, { timeout: 10_000 }).toBe(200);
  server.signal('SIGTERM');
  expect(await server.exit).toBe(0);
});

test('ends at once when it is told to while it waits for the database', async () => {
  const server = run(
    'src/server.ts',
    [],
    await testEnvironment({ PORT: '0', DATABASE_URL: 'postgresql://nobody:secret-password@127.0.0.1:1/nothing' }),
  );
  await waitForOutput(server, /alive at http/);
  server.signal('SIGTERM');
  expect(await server.exit).toBe(0);
  expect(server.output()).not.toContain('secret-password');
});

test('migrates and makes its key when two instances start at once on an empty database', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: false });
  const instances = await Promise.all([1, 2].map(() => startServer({ DATABASE_URL, MIGRATE_ON_START: 'true' })));
  for (const { url } of instances) {
    const ready = await fetch(`${url}/readyz`);
    expect(await ready.json()).toEqual({
      status: 'ready',
      checks: { database: 'ok', revocation: 'ok', shutdown: 'ok', startup: 'ok' },
    });
    const { keys } = (await (await fetch(`${url}/.well-known/jwks.json`)).json()) as { keys: unknown[] };
    expect(keys).toHaveLength(2);
  }
});

test('answers what is in flight when it is told to stop, and ends with code 0', async () => {
  const server = await startServer({ BCRYPT_COST: '12', HASH_CONCURRENCY: '2' });
  const inFlight = Array.from({ length: 6 }, () =>
    fetch(`${server.url}/v1/auth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: freshEmail(), password: PASSWORD }),
    }),
  );
  // Once one is answered, the others are certainly being worked on.
  await Promise.race(inFlight);
  server.signal('SIGTERM');
  expect((await Promise.all(inFlight)).map(({ status }) => status)).toEqual(Array(6).fill(201));
  expect(await server.exit).toBe(0);
  await expect(fetch(`${server.url}/livez`)).rejects.toThrow();
});

test('goes on serving while balancers notice that it will end: not ready, and keeping no connection', async () => {
  const server = await startServer({ SHUTDOWN_DELAY_SECONDS: '2' });
  const before = await fetch(`${server.url}/livez`);
  expect(before.headers.get('connection')).toBe('keep-alive');
  const toldAt = performance.now();
  server.signal('SIGTERM');
  await expect.poll(async () => (await fetch(`${server.url}/readyz`)).status, { timeout: 1_500 }).toBe(503);
  const during = await fetch(`${server.url}/.well-known/jwks.json`);
  expect(during.status).toBe(200);
  expect(during.headers.get('connection')).toBe('close');
  expect(await server.exit).toBe(0);
  expect(performance.now() - toldAt).toBeGreaterThanOrEqual(1_990);
});

test('lets ten processes migrate one database at once', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: false });
  const environment = { DATABASE_URL };
  const processes = Array.from({ length: 10 }, () => run('src/cli.ts', ['migrate'], environment));
  expect(await Promise.all(processes.map(({ exit }) => exit))).toEqual(Array(10).fill(0));
  const outputs = processes.map(({ output }) => output());
  expect(outputs.filter((text) => text.startsWith('Applied: '))).toHaveLength(1);
  expect(outputs.filter((text) => text.startsWith('The database is up to date.'))).toHaveLength(9);
  const { rows } = await withClient(DATABASE_URL, (client) =>
    client.query('SELECT migration_name, count(*)::int FROM _prisma_migrations GROUP BY 1'),
  );
  for (const { count } of rows) expect(count).toBe(1);
});

test('tells what the command line can do, and refuses what it cannot', async () => {
  const help = run('src/cli.ts', ['--help'], {});
  expect(await help.exit).toBe(0);
  expect(help.output()).toContain('migrate');
  const unknown = run('src/cli.ts', ['explode'], {});
  expect(await unknown.exit).toBe(2);
  expect(unknown.output()).toContain('There is no command "explode"');
});
