import pg from 'pg';
import { expect, test } from 'vitest';
import { findFreePort } from '../../scripts/embedded-postgres.js';
import { connectionOptions } from '../../src/database/connection-options.js';
import { freshDatabaseUrl } from '../support/database.js';
import { run, waitForOutput } from '../support/processes.js';
import { freshEmail, PASSWORD, testEnvironment } from '../support/test-app.js';
import { startDeployedNginx, startDeployedPgBouncer } from './support/deployed.js';
import { signUp } from './support/person.js';

/** Longer than nginx keeps an idle connection (4 s). */
const SHUTDOWN_DELAY_SECONDS = '6';

async function startInstance(port: number, environment: NodeJS.ProcessEnv) {
  const server = run(
    'src/server.ts',
    [],
    await testEnvironment({
      HOST: '127.0.0.1',
      PORT: String(port),
      TRUSTED_PROXIES: '127.0.0.1',
      DATABASE_PREPARED_STATEMENTS: 'false',
      SHUTDOWN_DELAY_SECONDS,
      ...environment,
    }),
  );
  const url = `http://127.0.0.1:${port}`;
  await waitForOutput(server, /Server listening at/);
  await expect.poll(async () => (await fetch(`${url}/readyz`)).status, { timeout: 20_000 }).toBe(200);
  return { ...server, url, port };
}

/** Two instances as deploy/compose.scale.yaml has them, behind its nginx and its PgBouncer. */
async function startAll() {
  const direct = await freshDatabaseUrl({ migrated: true });
  const pooled = await startDeployedPgBouncer(direct);
  const settings = { DATABASE_URL: pooled, DATABASE_DIRECT_URL: direct };
  const ports = [await findFreePort(), await findFreePort()];
  const [one, other] = await Promise.all(ports.map((port) => startInstance(port, settings)));
  if (!one || !other) return expect.unreachable('two instances');
  return { url: await startDeployedNginx(ports), one, other, settings };
}

test('through PgBouncer, Postgres ends a statement that takes too long, as it does without', async () => {
  const url = await startDeployedPgBouncer(await freshDatabaseUrl({ migrated: false }));
  const client = new pg.Client({ ...connectionOptions(url), query_timeout: 10_000 });
  await client.connect();
  try {
    for (const name of ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'] as const) {
      const { rows } = await client.query('SELECT setting::int FROM pg_settings WHERE name = $1', [name]);
      expect(rows).toEqual([{ setting: connectionOptions(url)[name] }]);
    }
    await expect(client.query('SELECT pg_sleep(8)')).rejects.toThrow('statement timeout');
  } finally {
    await client.end();
  }
});

test('behind nginx and PgBouncer, people sign up, refresh anywhere, and a logout is heard by the other instance', async () => {
  const { url, one, other } = await startAll();
  const person = await signUp(url);
  for (const at of [url, one.url, other.url, url]) {
    expect(await person.refresh(at)).toBe(200);
    for (const asked of [one.url, other.url]) expect(await person.callApi(asked)).toBe(200);
  }
  expect(await person.logOut(one.url)).toBe(204);
  await expect.poll(() => person.callApi(other.url), { timeout: 1_000, interval: 20 }).toBe(401);
});

test('behind nginx, a client has the address that nginx saw, whatever it says of itself', async () => {
  const { url } = await startAll();
  const response = await fetch(`${url}/v1/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-forwarded-for': '203.0.113.9' },
    body: JSON.stringify({ email: freshEmail(), password: PASSWORD }),
  });
  const { access_token } = (await response.json()) as { access_token: string };
  const answer = await fetch(`${url}/v1/sessions`, { headers: { authorization: `Bearer ${access_token}` } });
  expect(await answer.json()).toMatchObject({ sessions: [{ ip: '127.0.0.1' }] });
});

test('behind nginx, no refresh and no call fails when an instance is killed', async () => {
  const { url, one } = await startAll();
  const load = await startLoad(url, { signUps: false });
  await load.untilDone(20);
  one.signal('SIGKILL');
  await load.untilDone(200);
  expect(await load.end()).toEqual([]);
});

test('behind nginx, not one request fails while both instances are replaced, one after the other, under load', async () => {
  const { url, one, other, settings } = await startAll();
  const load = await startLoad(url);
  await load.untilDone(50);
  for (const instance of [one, other]) {
    instance.signal('SIGTERM');
    expect(await instance.exit).toBe(0);
    await startInstance(instance.port, settings);
    await load.untilDone(50);
  }
  expect(await load.end()).toEqual([]);
});

/** People who refresh, call the API and, now and then, sign up, without a pause, until it ends. */
async function startLoad(url: string, { signUps = true } = {}) {
  const PEOPLE = 6;
  const failures: string[] = [];
  let done = 0;
  let ended = false;
  const people = await Promise.all(Array.from({ length: PEOPLE }, () => signUp(url)));
  const attempt = async (what: string, ask: () => Promise<number>, expected = 200) => {
    const status = await ask().catch((error: Error) => `${error.message} ${String(error.cause)}`);
    if (status !== expected) failures.push(`${what}: ${status}`);
    done += 1;
  };
  const work = people.map(async (person, index) => {
    for (let round = 0; !ended; round += 1) {
      await attempt('refresh', () => person.refresh());
      await attempt('call', () => person.callApi());
      if (signUps && round % 20 === index) await attempt('sign up', () => signUp(url).then(() => 201), 201);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  return {
    /** Resolves when so many more requests are done. */
    async untilDone(more: number): Promise<void> {
      const until = done + more;
      await expect.poll(() => done, { timeout: 30_000 }).toBeGreaterThanOrEqual(until);
    },
    /** Resolves with what failed. */
    async end(): Promise<string[]> {
      ended = true;
      await Promise.all(work);
      console.info(`${done} requests, ${failures.length} failed`);
      return failures;
    },
  };
}
