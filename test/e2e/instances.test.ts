import { expect, test } from 'vitest';
import { freshDatabaseUrl } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import { run, waitForOutput } from '../support/processes.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { COOKIE, freshEmail, PASSWORD, testEnvironment } from '../support/test-app.js';

type Person = { accessToken: string; refreshToken: string };

async function startInstance(environment: NodeJS.ProcessEnv): Promise<string> {
  const server = run('src/server.ts', [], await testEnvironment({ PORT: '0', ...environment }));
  const [, url = ''] = await waitForOutput(server, /Server listening at (http:[^"]+)/);
  return url;
}

async function signUp(url: string): Promise<Person> {
  const response = await fetch(`${url}/v1/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: freshEmail(), password: PASSWORD }),
  });
  const { access_token: accessToken } = (await response.json()) as { access_token: string };
  const [, refreshToken = ''] = /__Host-refresh_token=([^;]+)/.exec(response.headers.get('set-cookie') ?? '') ?? [];
  return { accessToken, refreshToken };
}

async function logOut(url: string, { refreshToken }: Person): Promise<number> {
  const headers = { cookie: `${COOKIE}=${refreshToken}` };
  return (await fetch(`${url}/v1/auth/logout`, { method: 'POST', headers })).status;
}

const gateStatus = async (url: string, { accessToken }: Person) =>
  (await fetch(`${url}/v1/me`, { headers: { authorization: `Bearer ${accessToken}` } })).status;

test('logout on one process is a 401 on the other within a second, and within five when its listener is dead', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const [one = '', other = ''] = await Promise.all([1, 2].map(() => startInstance({ DATABASE_URL })));
  const first = await signUp(one);
  const second = await signUp(one);
  for (const person of [first, second]) expect(await gateStatus(other, person)).toBe(200);

  expect(await logOut(one, first)).toBe(204);
  await expect.poll(() => gateStatus(other, first), { timeout: 1_000, interval: 20 }).toBe(401);

  await withClient(DATABASE_URL, (client) =>
    client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gatehouse listener' AND datname = current_database()",
    ),
  );
  expect(await logOut(one, second)).toBe(204);
  await expect.poll(() => gateStatus(other, second), { timeout: 5_000, interval: 50 }).toBe(401);
});

test('an instance that is cut off from the database says so, goes on living, never claims a logout, and heals', async () => {
  const proxy = await startTcpProxy(new URL(await freshDatabaseUrl({ migrated: true })));
  const url = await startInstance({ DATABASE_URL: proxy.url });
  const person = await signUp(url);
  const readiness = async () => {
    const response = await fetch(`${url}/readyz`);
    const { checks } = (await response.json()) as { checks: { revocation: string } };
    return `${response.status} ${checks.revocation}`;
  };
  expect(await readiness()).toBe('200 ok');

  proxy.cut();
  expect(await logOut(url, person)).toBe(503);
  await expect.poll(readiness, { timeout: 20_000 }).toBe('503 stale');
  expect((await fetch(`${url}/livez`)).status).toBe(200);

  proxy.mend();
  await expect.poll(readiness, { timeout: 15_000 }).toBe('200 ok');
  expect(await gateStatus(url, person)).toBe(200);
  expect(await logOut(url, person)).toBe(204);
  expect(await gateStatus(url, person)).toBe(401);
});
