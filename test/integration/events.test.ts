import type { FastifyInstance } from 'fastify';
import { expect, test } from 'vitest';
import {
  bearer,
  changePassword,
  eventsOf,
  eventTypesOf,
  logOut,
  NEW_PASSWORD,
  tryLogIn,
  twoInstances,
} from '../support/accounts.js';
import { sql } from '../support/database.js';
import { buildTestApp, logIn, PASSWORD, readTokens, refresh, register } from '../support/test-app.js';
import { expectProblem, watchQueries } from './http/support.js';

type Listed = { id: string; type: string; session_id: string | null; created_at: string };

function list(app: FastifyInstance, accessToken: string, query: Record<string, string> = {}) {
  return app.inject({ url: '/v1/me/events', query, headers: bearer(accessToken) });
}

/** Events of a time long ago, `each` of them in the same microsecond. */
function addEvents(userId: string, count: number, each: number) {
  return sql(
    `INSERT INTO events (id, user_id, type, created_at)
     SELECT gen_random_uuid(), $1, 'login_failed', now() - interval '1 day' + (n / $3) * interval '1 microsecond'
     FROM generate_series(1, $2) n`,
    [userId, count, each],
  );
}

test('tells a person what happened to their account and nobody else', async () => {
  const { app } = await buildTestApp();
  await register(app);
  const userAgent = 'Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0';
  const person = await register(app);
  await app.inject({
    method: 'POST',
    url: '/v1/auth/login',
    payload: { email: person.email, password: PASSWORD },
    headers: { 'user-agent': userAgent },
  });
  const response = await list(app, person.accessToken);
  expect(response.statusCode).toBe(200);
  expect(response.headers['cache-control']).toBe('no-store');
  const { events, next_cursor } = response.json();
  expect(next_cursor).toBeNull();
  expect(events.map(({ type }: Listed) => type)).toEqual(['login', 'login', 'register']);
  expect(events[0]).toEqual({
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    type: 'login',
    session_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    ip: '127.0.0.1',
    user_agent: userAgent,
    created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    details: { amr: ['pwd'] },
  });
  expect(events[1].session_id).toBe(person.sessionId);
  expectProblem(await app.inject('/v1/me/events'), 401, 'access_token_missing');
});

test.each([undefined, '1', '7', '100'])(
  'pages through events of the same microsecond without losing or repeating any, %s a page, while more happen',
  async (limit) => {
    const { app } = await buildTestApp();
    const person = await register(app);
    await addEvents(person.userId, limit === '1' ? 20 : 250, 60);
    const expected = await sql<{ id: string }>(
      'SELECT id FROM events WHERE user_id = $1 ORDER BY created_at DESC, id DESC',
      [person.userId],
    );
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const from: Record<string, string> = cursor === null ? {} : { cursor };
      const query = limit === undefined ? from : { ...from, limit };
      const page: { events: Listed[]; next_cursor: string | null } = (
        await list(app, person.accessToken, query)
      ).json();
      expect(page.events.length).toBeLessThanOrEqual(Number(limit ?? 50));
      seen.push(...page.events.map(({ id }) => id));
      cursor = page.next_cursor;
      await sql("INSERT INTO events (id, user_id, type) VALUES (gen_random_uuid(), $1, 'login')", [person.userId]);
    } while (cursor !== null);
    expect(seen).toEqual(expected.map(({ id }) => id));
  },
);

test('has no next page after one that is just full', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  await addEvents(person.userId, 8, 1);
  const page = (await list(app, person.accessToken, { limit: '10' })).json();
  expect(page.events).toHaveLength(10);
  expect(page.next_cursor).toBeNull();
});

test('refuses what is no limit from 1 to 100', async () => {
  const { app } = await buildTestApp();
  const { accessToken } = await register(app);
  for (const limit of ['0', '101', '-1', '1.5', '1e1', ' 5', '05', '', 'all', '50;', '9'.repeat(400)]) {
    expectProblem(await list(app, accessToken, { limit }), 422, 'validation_failed');
  }
});

test('refuses what is no cursor of this person, and an unknown or repeated parameter', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const other = await register(app);
  const [foreign] = await sql<{ id: string }>('SELECT id FROM events WHERE user_id = $1', [other.userId]);
  const cursors = ['', 'x', '1', "'; DROP TABLE events", 'z'.repeat(36), 'a'.repeat(101), foreign?.id ?? ''];
  for (const cursor of cursors) {
    expectProblem(await list(app, person.accessToken, { cursor }), 422, 'validation_failed');
  }
  for (const query of ['?before=x', '?limit=5&limit=6', '?cursor[gt]=x']) {
    const response = await app.inject({ url: `/v1/me/events${query}`, headers: bearer(person.accessToken) });
    expectProblem(response, 422, 'validation_failed');
  }
});

test('ends the list when the event that the cursor names has been deleted for its age', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  await addEvents(person.userId, 20, 1);
  const page = (await list(app, person.accessToken, { limit: '10' })).json();
  await sql("DELETE FROM events WHERE user_id = $1 AND type = 'login_failed'", [person.userId]);
  const next = await list(app, person.accessToken, { limit: '10', cursor: page.next_cursor });
  expect(next.statusCode).toBe(200);
  expect(next.json()).toEqual({ events: [], next_cursor: null });
});

test('writes each event once, by whatever way it happens', async () => {
  const { app } = await buildTestApp({
    MAX_SESSIONS_PER_USER: '3',
    REFRESH_GRACE_SECONDS: '0',
    REFRESH_RECOVERY_SECONDS: '0',
  });
  const first = await register(app);
  const recorded = async () => (await eventsOf(first.userId)).splice(0);
  let known = 0;
  /** What was recorded since this was asked last. */
  const news = async () => {
    const all = await recorded();
    const fresh = all.slice(known);
    known = all.length;
    return fresh.map(({ type, session_id, details }) => [type, session_id, details]);
  };
  const signedIn = { amr: ['pwd'] };
  expect(await news()).toEqual([
    ['register', null, {}],
    ['login', first.sessionId, signedIn],
  ]);

  const second = await logIn(app, first.email);
  expect(await news()).toEqual([['login', second.sessionId, signedIn]]);

  await tryLogIn(app, first.email, 'wrong');
  await expect.poll(() => eventTypesOf(first.userId)).toContain('login_failed');
  expect(await news()).toEqual([['login_failed', null, {}]]);

  await app.inject({ url: '/v1/me', headers: bearer(second.accessToken) });
  await app.inject({ url: '/v1/sessions', headers: bearer(second.accessToken) });
  expect(await news()).toEqual([]);

  await logOut(app, second.refreshToken);
  await logOut(app, second.refreshToken);
  expect(await news()).toEqual([['logout', second.sessionId, {}]]);

  const third = await logIn(app, first.email);
  const fourth = await logIn(app, first.email);
  await news();
  const headers = bearer(first.accessToken);
  const revoke = () => app.inject({ method: 'DELETE', url: `/v1/sessions/${third.sessionId}`, headers });
  await revoke();
  await revoke();
  expect(await news()).toEqual([['session_ended', third.sessionId, { reason: 'revoked' }]]);
  const revokeOthers = () => app.inject({ method: 'DELETE', url: '/v1/sessions?keep_current=true', headers });
  await revokeOthers();
  await revokeOthers();
  expect(await news()).toEqual([['session_ended', fourth.sessionId, { reason: 'revoked' }]]);

  await logIn(app, first.email);
  await logIn(app, first.email);
  await news();
  const fifth = await logIn(app, first.email);
  expect((await news()).sort()).toEqual([
    ['login', fifth.sessionId, signedIn],
    ['session_ended', first.sessionId, { reason: 'revoked' }],
  ]);
  const [oldest] = (await eventsOf(first.userId)).filter(({ session_id: id }) => id === first.sessionId).slice(-1);
  // Nobody asked for it.
  expect(oldest).toMatchObject({ ip: null, user_agent: null });

  const thrice = [fifth.refreshToken, readTokens(await refresh(app, fifth.refreshToken)).refreshToken];
  await refresh(app, thrice[0] ?? '');
  for (const token of thrice) await refresh(app, token);
  expect(await news()).toEqual([['refresh_reuse', fifth.sessionId, { generation: 2, presented_generation: 1 }]]);

  const last = await logIn(app, first.email);
  await app.inject({ method: 'DELETE', url: '/v1/sessions?keep_current=true', headers: bearer(last.accessToken) });
  await news();
  await changePassword(app, last.accessToken);
  expect(await news()).toEqual([['password_changed', last.sessionId, {}]]);
  expect((await tryLogIn(app, first.email, NEW_PASSWORD)).statusCode).toBe(200);
});

test('tells of an expired session that is signed out nothing: it was over already', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  await sql('UPDATE sessions SET idle_expires_at = now() WHERE id = $1', [person.sessionId]);
  await logOut(app, person.refreshToken);
  expect((await eventTypesOf(person.userId)).sort()).toEqual(['login', 'register']);
});

test('records one reuse, and one incident, of fifty replays at once on two instances', async () => {
  const [one, other] = await twoInstances({ REFRESH_GRACE_SECONDS: '0', REFRESH_RECOVERY_SECONDS: '0' });
  for (let round = 0; round < 5; round += 1) {
    const person = await register(one);
    await refresh(one, person.refreshToken);
    const replays = Array.from({ length: 50 }, (_, index) => refresh(index % 2 ? one : other, person.refreshToken));
    for (const { statusCode } of await Promise.all(replays)) expect(statusCode).toBe(401);
    expect((await eventTypesOf(person.userId)).sort()).toEqual(['login', 'refresh_reuse', 'register']);
    expect(await sql('SELECT 1 FROM reuse_incidents WHERE user_id = $1', [person.userId])).toHaveLength(1);
  }
});

test('a hundred rotations touch nothing but their session: no event, no other statement', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  let { refreshToken } = person;
  const count = watchQueries();
  for (let round = 0; round < 100; round += 1) refreshToken = readTokens(await refresh(app, refreshToken)).refreshToken;
  expect(count('UPDATE sessions s')).toBe(100);
  for (const table of ['events', 'session_endings', 'outbox_mails', 'attempts', 'reuse_incidents']) {
    expect(count(`INTO ${table}`), table).toBe(0);
  }
  expect((await eventTypesOf(person.userId)).sort()).toEqual(['login', 'register']);
});

test('lets nobody rewrite an event: only what tells of a person can be erased', async () => {
  const { app } = await buildTestApp();
  const { userId } = await register(app);
  const change = (columns: string) => sql(`UPDATE events SET ${columns} WHERE user_id = $1`, [userId]);
  for (const columns of [
    "type = 'logout'",
    'user_id = gen_random_uuid()',
    'id = gen_random_uuid()',
    "created_at = created_at - interval '1 day'",
    "ip = '203.0.113.9'",
    "user_agent = 'somebody else'",
    'details = \'{"a": 1}\'',
    'session_id = gen_random_uuid()',
    "type = 'logout', session_id = NULL, ip = NULL, user_agent = NULL, details = '{}'",
  ]) {
    await expect(change(columns), columns).rejects.toThrow(/only added/);
  }
  await change("session_id = NULL, ip = NULL, user_agent = NULL, details = '{}'");
  const events = await eventsOf(userId);
  expect(events.map(({ type }) => type).sort()).toEqual(['login', 'register']);
  for (const event of events) expect(event).toMatchObject({ session_id: null, ip: null, user_agent: null });
});
