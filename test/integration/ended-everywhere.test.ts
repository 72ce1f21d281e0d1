import type { FastifyInstance } from 'fastify';
import { expect, test } from 'vitest';
import { freshDatabaseUrl, sql, testDatabaseUrl } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import { buildTestApp, COOKIE, getMe, logIn, refresh, register } from '../support/test-app.js';

/** The listening connections of all instances: what they last said was LISTEN, or a question whether anyone is there. */
const KILL_LISTENERS = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND application_name = 'gatehouse listener'`;

async function twoInstances(): Promise<[FastifyInstance, FastifyInstance]> {
  return [(await buildTestApp()).app, (await buildTestApp()).app];
}

/** Waits until an instance refuses an access token because its session has ended. */
async function expectRefused(app: FastifyInstance, accessToken: string, reason: string, timeout: number) {
  const ask = async () => (await getMe(app, accessToken)).json();
  await expect.poll(ask, { timeout, interval: 20 }).toMatchObject({ code: 'session_ended', reason });
}

function logOut(app: FastifyInstance, refreshToken: string) {
  return app.inject({ method: 'POST', url: '/v1/auth/logout', headers: { cookie: `${COOKIE}=${refreshToken}` } });
}

test('refuses access tokens on every instance within a second of logout', async () => {
  const [one, other] = await twoInstances();
  const person = await register(one);
  expect((await getMe(other, person.accessToken)).statusCode).toBe(200);
  await logOut(one, person.refreshToken);
  expect((await getMe(one, person.accessToken)).json().code).toBe('session_ended');
  await expectRefused(other, person.accessToken, 'logout', 1_000);
});

test('hears of an ending by plain SQL within a second', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  await sql("UPDATE sessions SET ended_at = now(), end_reason = 'revoked' WHERE id = $1", [person.sessionId]);
  await expectRefused(app, person.accessToken, 'revoked', 1_000);
  expect((await refresh(app, person.refreshToken)).json()).toMatchObject({ code: 'session_ended', reason: 'revoked' });
});

test('finds within five seconds what it could not hear, and listens again', async () => {
  const [one, other] = await twoInstances();
  const person = await register(one);
  const laptop = await logIn(one, person.email);
  await sql(KILL_LISTENERS);
  await logOut(one, person.refreshToken);
  await expectRefused(other, person.accessToken, 'logout', 5_000);

  const health = async () => (await other.inject('/readyz')).json();
  await expect.poll(health, { timeout: 10_000 }).toMatchObject({ status: 'ready', checks: { revocation: 'ok' } });
  await logOut(one, laptop.refreshToken);
  await expectRefused(other, laptop.accessToken, 'logout', 1_000);
});

test('knows what ended before it started', async () => {
  const { app: one } = await buildTestApp();
  const person = await register(one);
  await logOut(one, person.refreshToken);
  const { app: later } = await buildTestApp();
  expect((await getMe(later, person.accessToken)).json().code).toBe('session_ended');
});

test('misses no ending that commits late', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const laptop = await logIn(app, person.email);
  await withClient(await testDatabaseUrl(), async (slow) => {
    await slow.query('BEGIN');
    await slow.query("UPDATE sessions SET ended_at = now(), end_reason = 'revoked' WHERE id = $1", [person.sessionId]);
    // Another one ends and commits meanwhile: whoever counted by the newest ending would be past the slow one.
    await logOut(app, laptop.refreshToken);
    await sql(KILL_LISTENERS);
    await slow.query('COMMIT');
  });
  await expectRefused(app, person.accessToken, 'revoked', 5_000);
});

test('ends the oldest session of a person who has too many', async () => {
  const { app } = await buildTestApp({ MAX_SESSIONS_PER_USER: '3' });
  const first = await register(app);
  const second = await logIn(app, first.email);
  const others = [await logIn(app, first.email), await logIn(app, first.email)];
  expect((await refresh(app, first.refreshToken)).json()).toMatchObject({ code: 'session_ended', reason: 'revoked' });
  expect((await getMe(app, first.accessToken)).json().code).toBe('session_ended');
  for (const session of [second, ...others]) expect((await refresh(app, session.refreshToken)).statusCode).toBe(200);
});

test('keeps up when an operator ends every session there is, and starts with that', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const { app } = await buildTestApp({ DATABASE_URL });
  const person = await register(app);
  const MANY = 12_000;
  await withClient(DATABASE_URL, async (client) => {
    await client.query(
      `INSERT INTO sessions (id, user_id, transport, idle_expires_at, expires_at)
       SELECT gen_random_uuid(), user_id, transport, idle_expires_at, expires_at
       FROM sessions, generate_series(1, ${MANY}) WHERE id = $1`,
      [person.sessionId],
    );
    await client.query("UPDATE sessions SET ended_at = now(), end_reason = 'revoked' WHERE ended_at IS NULL");
  });
  await expectRefused(app, person.accessToken, 'revoked', 5_000);
  expect((await app.inject('/readyz')).statusCode).toBe(200);

  // More than two pages of them, read before the first request.
  const { app: later } = await buildTestApp({ DATABASE_URL });
  expect((await getMe(later, person.accessToken)).json()).toMatchObject({ code: 'session_ended', reason: 'revoked' });
});
