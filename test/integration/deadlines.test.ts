import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { sql, testDatabaseUrl } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import {
  buildTestApp,
  cookieOf,
  freshEmail,
  getMe,
  PASSWORD,
  refresh,
  register,
  type TestApp,
} from '../support/test-app.js';

/** What is promised, with room for a machine that does other things too. */
const ANSWER_MS = 3_000;
const MARGIN_MS = 2_000;

async function behindProxy(environment: NodeJS.ProcessEnv = {}) {
  const proxy = await startTcpProxy(new URL(await testDatabaseUrl()));
  const built = await buildTestApp({ DATABASE_URL: proxy.url, ...environment });
  return { ...built, proxy };
}

type App = TestApp['app'];

/** Every route that asks the database, and how. */
function requests(app: App, { accessToken, refreshToken, email }: Awaited<ReturnType<typeof register>>) {
  const authorization = `Bearer ${accessToken}`;
  const post = (url: string, payload: object, headers = {}) => app.inject({ method: 'POST', url, payload, headers });
  return {
    register: () => post('/v1/auth/register', { email: freshEmail(), password: PASSWORD }),
    login: () => post('/v1/auth/login', { email, password: PASSWORD }),
    refresh: () => refresh(app, refreshToken),
    logout: () => post('/v1/auth/logout', {}, { authorization }),
    sessions: () => app.inject({ url: '/v1/sessions', headers: { authorization } }),
    'end all': () => app.inject({ method: 'DELETE', url: '/v1/sessions', headers: { authorization } }),
    'end one': () =>
      app.inject({ method: 'DELETE', url: `/v1/sessions/${crypto.randomUUID()}`, headers: { authorization } }),
    events: () => app.inject({ url: '/v1/me/events', headers: { authorization } }),
    export: () => app.inject({ url: '/v1/me/export', headers: { authorization } }),
    'change password': () =>
      post(
        '/v1/auth/password/change',
        { current_password: PASSWORD, new_password: `${PASSWORD} anew` },
        { authorization },
      ),
    leave: () =>
      app.inject({ method: 'DELETE', url: '/v1/me', payload: { password: PASSWORD }, headers: { authorization } }),
  };
}

async function timed<Answer>(ask: () => Promise<Answer>): Promise<{ answer: Answer; ms: number }> {
  const startedAt = performance.now();
  const answer = await ask();
  return { answer, ms: performance.now() - startedAt };
}

test.each(['hang', 'cut'] as const)('every route answers 503 in time when the database is gone (%s)', async (fault) => {
  const { app, proxy } = await behindProxy();
  const person = await register(app);
  const bystander = await register(app);
  proxy[fault]();
  const asked = Object.entries(requests(app, person)).map(async ([name, ask]) => ({ name, ...(await timed(ask)) }));
  for (const { name, answer, ms } of await Promise.all(asked)) {
    expect([name, answer.statusCode, answer.json().code]).toEqual([name, 503, 'unavailable']);
    expect(Number(answer.headers['retry-after']), name).toBeGreaterThanOrEqual(1);
    expect(ms, name).toBeLessThan(ANSWER_MS + MARGIN_MS);
  }
  // What needs no database is answered as ever.
  expect((await app.inject('/livez')).statusCode).toBe(200);
  proxy.mend();
  // The first person asked for their sessions to be ended, which may still come to pass; nobody asked for the other's.
  await expect.poll(async () => (await refresh(app, bystander.refreshToken)).statusCode, { timeout: 10_000 }).toBe(200);
});

test('logout says 503 while the ending is not committed, and 204 only once it is', async () => {
  const { app, proxy } = await behindProxy();
  const person = await register(app);
  const logOut = () =>
    app.inject({ method: 'POST', url: '/v1/auth/logout', headers: { authorization: `Bearer ${person.accessToken}` } });
  const endedAt = async () =>
    (await sql<{ ended_at: Date | null }>('SELECT ended_at FROM sessions WHERE id = $1', [person.sessionId]))[0]
      ?.ended_at;
  proxy.hang();
  expect((await logOut()).statusCode).toBe(503);
  proxy.cut();
  expect((await logOut()).statusCode).toBe(503);
  proxy.mend();
  await expect.poll(async () => (await logOut()).statusCode, { timeout: 10_000 }).toBe(204);
  expect(await endedAt()).toBeInstanceOf(Date);
  expect((await getMe(app, person.accessToken)).json()).toMatchObject({ code: 'session_ended', reason: 'logout' });
});

test('a row that somebody else holds locked is waited for with a bound', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  await withClient(await testDatabaseUrl(), async (client) => {
    await client.query('BEGIN');
    await client.query('SELECT 1 FROM sessions WHERE id = $1 FOR UPDATE', [person.sessionId]);
    const { answer, ms } = await timed(() => refresh(app, person.refreshToken));
    expect([answer.statusCode, answer.json().code]).toEqual([503, 'unavailable']);
    expect(ms).toBeLessThan(ANSWER_MS + MARGIN_MS);
    await client.query('ROLLBACK');
  });
  expect((await refresh(app, person.refreshToken)).statusCode).toBe(200);
});

test('a pool of one that is taken is answered 503, and heals', async () => {
  const { app, proxy } = await behindProxy({ DATABASE_POOL_SIZE: '1' });
  const person = await register(app);
  proxy.hang();
  const answers = await Promise.all(Array.from({ length: 300 }, () => timed(() => refresh(app, person.refreshToken))));
  for (const { answer, ms } of answers) {
    expect([answer.statusCode, answer.json().code]).toEqual([503, 'unavailable']);
    expect(ms).toBeLessThan(ANSWER_MS + MARGIN_MS);
  }
  proxy.mend();
  await expect.poll(async () => (await refresh(app, person.refreshToken)).statusCode, { timeout: 10_000 }).toBe(200);
});

test.each([
  ['kept with grace', '10', '86400'],
  ['kept without any grace', '0', '0'],
])(
  'a refresh whose connection breaks after the commit is answered with its successor (%s)',
  async (_what, grace, recovery) => {
    const settings = { REFRESH_GRACE_SECONDS: grace, REFRESH_RECOVERY_SECONDS: recovery };
    const { app, proxy } = await behindProxy(settings);
    const person = await register(app);
    const loss = proxy.loseAnswerTo('generation = s.generation + 1');
    const answer = await refresh(app, person.refreshToken);
    expect(loss.isLost()).toBe(true);
    expect(answer.statusCode).toBe(200);
    const [row] = await sql<{ generation: number; ended_at: Date | null }>(
      'SELECT generation, ended_at FROM sessions WHERE id = $1',
      [person.sessionId],
    );
    expect(row).toEqual({ generation: 2, ended_at: null });
    // The successor is a true one: it can be used.
    expect((await refresh(app, cookieOf(answer) ?? '')).statusCode).toBe(200);
  },
);

test('a logout whose connection breaks after the commit claims nothing, and is done when it is asked again', async () => {
  const { app, proxy } = await behindProxy();
  const person = await register(app);
  const loss = proxy.loseAnswerTo('SET ended_at = now()');
  const logOut = () =>
    app.inject({ method: 'POST', url: '/v1/auth/logout', headers: { authorization: `Bearer ${person.accessToken}` } });
  expect((await logOut()).statusCode).toBe(503);
  expect(loss.isLost()).toBe(true);
  expect((await logOut()).statusCode).toBe(204);
  expect((await getMe(app, person.accessToken)).statusCode).toBe(401);
});

test('a registration whose connection breaks in its commit is no half person: asked again, the address is taken or free', async () => {
  const { app, proxy } = await behindProxy();
  const email = freshEmail();
  const ask = () => app.inject({ method: 'POST', url: '/v1/auth/register', payload: { email, password: PASSWORD } });
  const loss = proxy.loseAnswerTo('COMMIT');
  expect((await ask()).statusCode).toBe(503);
  expect(loss.isLost()).toBe(true);
  expect((await ask()).json().code).toBe('email_taken');
  const login = await app.inject({ method: 'POST', url: '/v1/auth/login', payload: { email, password: PASSWORD } });
  expect(login.statusCode).toBe(200);
});

test('a deadlock is done once more, unseen by the client', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  // Locks the two rows of a person in the order opposite to the service's, so that Postgres must undo one of the two.
  await withClient(await testDatabaseUrl(), async (client) => {
    await client.query("SET deadlock_timeout = '10s'");
    await client.query('BEGIN');
    await client.query('SELECT 1 FROM sessions WHERE id = $1 FOR UPDATE', [person.sessionId]);
    const change = app.inject({
      method: 'POST',
      url: '/v1/auth/password/change',
      payload: { current_password: PASSWORD, new_password: `${PASSWORD} anew` },
      headers: { authorization: `Bearer ${person.accessToken}` },
    });
    await sleep(600);
    // The service's transaction holds the person and waits for the session; it is the one that notices, after a second.
    await client.query('SELECT 1 FROM users WHERE id = $1 FOR UPDATE', [person.userId]);
    await client.query('COMMIT');
    expect((await change).statusCode).toBe(200);
  });
});
