import { expect, test } from 'vitest';
import { freshDatabaseUrl, sql } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import { buildTestApp, COOKIE, cookieOf, getMe, logIn, readTokens, refresh, register } from '../support/test-app.js';

/** Makes the last rotation of a session look older than it is. */
async function age(sessionId: string, seconds: number): Promise<void> {
  await sql('UPDATE sessions SET rotated_at = rotated_at - make_interval(secs => $2) WHERE id = $1', [
    sessionId,
    seconds,
  ]);
}

async function rowOf(sessionId: string) {
  const [row] = await sql<{ generation: number; rotated_at: Date; ended_at: Date | null; end_reason: string | null }>(
    'SELECT generation, rotated_at, ended_at, end_reason FROM sessions WHERE id = $1',
    [sessionId],
  );
  return row;
}

test('rotates the newest token: a new cookie, a new access token, the next generation', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const response = await refresh(app, person.refreshToken);
  expect(response.statusCode).toBe(200);
  const next = readTokens(response);
  expect(next.refreshToken).not.toBe(person.refreshToken);
  expect(next.accessToken).not.toBe(person.accessToken);
  expect(next.sessionId).toBe(person.sessionId);
  expect(await rowOf(person.sessionId)).toMatchObject({ generation: 2, ended_at: null });
  expect((await getMe(app, next.accessToken)).statusCode).toBe(200);
});

test('answers a retry within grace with the same successor byte for byte and a fresh access token, and moves nothing', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const first = await refresh(app, person.refreshToken);
  const before = await rowOf(person.sessionId);
  const retry = await refresh(app, person.refreshToken);
  expect(retry.statusCode).toBe(200);
  expect(cookieOf(retry)).toBe(cookieOf(first));
  expect(retry.json().access_token).not.toBe(first.json().access_token);
  expect(await rowOf(person.sessionId)).toEqual(before);
});

test("ends the session when a confirmed token's predecessor returns after grace, and refuses its access tokens", async () => {
  const { app, logLines } = await buildTestApp();
  const person = await register(app);
  const next = readTokens(await refresh(app, person.refreshToken));
  // Used, and so known to have arrived: from now on the predecessor is no retry.
  expect((await getMe(app, next.accessToken)).statusCode).toBe(200);
  await age(person.sessionId, 11);

  const replay = await refresh(app, person.refreshToken);
  expect(replay.statusCode).toBe(401);
  expect(replay.json().code).toBe('refresh_token_reused');
  expect(await rowOf(person.sessionId)).toMatchObject({ end_reason: 'reuse_detected' });

  const gate = await getMe(app, next.accessToken);
  expect(gate.json()).toMatchObject({ status: 401, code: 'session_ended', reason: 'reuse_detected' });
  const owner = await refresh(app, next.refreshToken);
  expect(owner.json()).toMatchObject({ code: 'session_ended', reason: 'reuse_detected' });
  expect((await refresh(app, person.refreshToken)).json()).toMatchObject({ code: 'session_ended' });
  const incidents = logLines().filter(({ event }) => event === 'refresh_reuse');
  expect(incidents).toHaveLength(1);
  expect(incidents[0]).toMatchObject({ session_id: person.sessionId, generation: 2, presented_generation: 1 });
});

test('ends the session for the token before the predecessor even within grace', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const second = readTokens(await refresh(app, person.refreshToken));
  await refresh(app, second.refreshToken);
  expect((await refresh(app, person.refreshToken)).json().code).toBe('refresh_token_reused');
});

test('knows every older generation for ever, also after a restart', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  let { refreshToken } = person;
  for (let round = 0; round < 20; round += 1) refreshToken = readTokens(await refresh(app, refreshToken)).refreshToken;
  const { app: restarted } = await buildTestApp();
  expect((await refresh(restarted, person.refreshToken)).json().code).toBe('refresh_token_reused');
  expect((await refresh(restarted, refreshToken)).json()).toMatchObject({ code: 'session_ended' });
});

test('ends one session only: the other devices of the person stay signed in', async () => {
  const { app } = await buildTestApp({ REFRESH_GRACE_SECONDS: '0', REFRESH_RECOVERY_SECONDS: '0' });
  const phone = await register(app);
  const laptop = await logIn(app, phone.email);
  await refresh(app, phone.refreshToken);
  expect((await refresh(app, phone.refreshToken)).json().code).toBe('refresh_token_reused');
  expect((await refresh(app, laptop.refreshToken)).statusCode).toBe(200);
});

test.each([
  ['idle', 'idle_expires_at = now()'],
  ['absolute', 'idle_expires_at = now(), expires_at = now()'],
])('tells a session that has expired (%s), by the clock of the database', async (reason, change) => {
  const { app } = await buildTestApp();
  const person = await register(app);
  await sql(`UPDATE sessions SET ${change} WHERE id = $1`, [person.sessionId]);
  const response = await refresh(app, person.refreshToken);
  expect(response.json()).toMatchObject({ status: 401, code: 'session_expired', reason });
});

test('never extends a session past its absolute end', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  await sql(
    "UPDATE sessions SET idle_expires_at = now() + interval '1 hour', expires_at = now() + interval '1 hour' WHERE id = $1",
    [person.sessionId],
  );
  const response = await refresh(app, person.refreshToken);
  const { idle_expires_at, expires_at } = response.json().session;
  expect(idle_expires_at).toBe(expires_at);
  const cookie = response.cookies.find(({ name }) => name === COOKIE);
  expect(cookie?.maxAge).toBeGreaterThan(3_590);
  expect(cookie?.maxAge).toBeLessThanOrEqual(3_600);
});

test('never clears the cookie when a refresh fails: a slower tab must not sign out a faster one', async () => {
  const { app } = await buildTestApp({ REFRESH_GRACE_SECONDS: '0', REFRESH_RECOVERY_SECONDS: '0' });
  const person = await register(app);
  await refresh(app, person.refreshToken);
  for (const token of [person.refreshToken, person.refreshToken, 'garbage', '']) {
    const response = await refresh(app, token);
    expect(response.statusCode).toBe(401);
    expect(response.headers['set-cookie']).toBeUndefined();
  }
});

test('updates rows on their page only (heap-only), so that the table does not grow with use', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const { app } = await buildTestApp({ DATABASE_URL });
  let { refreshToken } = await register(app);
  const ROUNDS = 200;
  for (let round = 0; round < ROUNDS; round += 1) {
    refreshToken = readTokens(await refresh(app, refreshToken)).refreshToken;
  }
  // Postgres tells its statistics a moment later, when a connection has been idle for a second.
  await expect
    .poll(() => updateCounts(DATABASE_URL), { timeout: 15_000 })
    .toEqual({ all: ROUNDS, heapOnly: ROUNDS, newPage: 0 });
});

async function updateCounts(url: string): Promise<{ all: number; heapOnly: number; newPage: number } | undefined> {
  const { rows } = await withClient(url, (client) =>
    client.query(
      `SELECT n_tup_upd::int AS "all", n_tup_hot_upd::int AS "heapOnly",
              coalesce((to_jsonb(t) ->> 'n_tup_newpage_upd')::int, 0) AS "newPage"
       FROM pg_stat_user_tables t WHERE relname = 'sessions'`,
    ),
  );
  return rows[0];
}
