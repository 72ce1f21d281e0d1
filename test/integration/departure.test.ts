import type { FastifyInstance } from 'fastify';
import { expect, test } from 'vitest';
import {
  bearer,
  changePassword,
  deafInstance,
  eventsOf,
  eventTypesOf,
  leave,
  logOut,
  NEW_PASSWORD,
  tryLogIn,
  twoInstances,
} from '../support/accounts.js';
import { freshDatabaseUrl, sql } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import { buildTestApp, COOKIE, getMe, logIn, PASSWORD, readTokens, refresh, register } from '../support/test-app.js';
import { countUsers, expectProblem } from './http/support.js';

/** Mail is written, and goes nowhere. */
const MAIL = { SMTP_URL: 'smtp://127.0.0.1:1', MAIL_FROM: 'auth@example.test', APP_URL: 'https://app.example.test' };

async function expectGone(app: FastifyInstance, accessToken: string, timeout: number) {
  const ask = async () => (await getMe(app, accessToken)).json();
  const gone = { status: 401, code: 'session_ended', reason: 'account_deleted' };
  await expect.poll(ask, { timeout, interval: 20 }).toMatchObject(gone);
}

/** Every row of every table that holds a text, however deep: as Postgres writes a row. */
async function rowsWith(url: string, text: string): Promise<string[]> {
  return withClient(url, async (client) => {
    const { rows: tables } = await client.query<{ name: string }>(
      `SELECT quote_ident(table_name) AS name FROM information_schema.tables
       WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`,
    );
    const found: string[] = [];
    for (const { name } of tables) {
      const { rows } = await client.query(
        `SELECT t::text AS row FROM ${name} t WHERE strpos(lower(t::text), lower($1)) > 0`,
        [text],
      );
      found.push(...rows.map(({ row }) => `${name}: ${row}`));
    }
    return found;
  });
}

test('deletes the account, clears the cookie and refuses all tokens, on every instance within a second', async () => {
  const [one, other] = await twoInstances();
  const phone = await register(one);
  const laptop = await logIn(other, phone.email);
  expect((await getMe(other, laptop.accessToken)).statusCode).toBe(200);

  const response = await leave(one, phone.accessToken);
  expect(response.statusCode).toBe(204);
  expect(response.body).toBe('');
  const cookie = response.cookies.find(({ name }) => name === COOKIE);
  expect(cookie).toMatchObject({ value: '', maxAge: 0, httpOnly: true, secure: true, path: '/' });

  for (const { accessToken } of [phone, laptop]) {
    expectProblem(await getMe(one, accessToken), 401, 'session_ended');
    await expectGone(other, accessToken, 1_000);
  }
  for (const { refreshToken } of [phone, laptop]) {
    for (const app of [one, other]) {
      const answer = await refresh(app, refreshToken);
      expect(answer.json()).toMatchObject({ status: 401, code: 'session_ended', reason: 'account_deleted' });
      expect(answer.headers['set-cookie']).toBeUndefined();
    }
  }
  expectProblem(await tryLogIn(other, phone.email), 401, 'invalid_credentials');
  expect(await countUsers(phone.email)).toBe(0);
});

test('is known to an instance that hears nothing, within five seconds, and at once to who asks it with a refresh token', async () => {
  const { app } = await buildTestApp();
  const deaf = await deafInstance();
  const person = await register(app);
  const laptop = await logIn(app, person.email);
  expect((await leave(app, person.accessToken)).statusCode).toBe(204);
  expect((await refresh(deaf, person.refreshToken)).json()).toMatchObject({ reason: 'account_deleted' });
  expectProblem(await getMe(deaf, person.accessToken), 401, 'session_ended');
  await expectGone(deaf, laptop.accessToken, 5_000);
});

test('leaving again where it is not known yet, and signing out, tell the truth', async () => {
  const { app } = await buildTestApp();
  const deaf = await deafInstance();
  const person = await register(app);
  const laptop = await logIn(app, person.email);
  expect((await leave(app, person.accessToken)).statusCode).toBe(204);
  expect((await leave(deaf, person.accessToken)).json()).toMatchObject({ reason: 'account_deleted' });
  expect((await logOut(deaf, laptop.refreshToken)).statusCode).toBe(204);
  // What answered knows it from now on.
  expect((await getMe(deaf, laptop.accessToken)).json()).toMatchObject({ reason: 'account_deleted' });
});

test('a refresh token is unknown once its ending is remembered no more', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  expect((await leave(app, person.accessToken)).statusCode).toBe(204);
  await sql('DELETE FROM session_endings WHERE session_id = $1', [person.sessionId]);
  expectProblem(await refresh(app, person.refreshToken), 401, 'refresh_token_invalid');
});

test('refuses a wrong password or none, and deletes nothing', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  expectProblem(await leave(app, person.accessToken, 'wrong'), 401, 'invalid_credentials');
  const headers = bearer(person.accessToken);
  const bodies = [undefined, {}, { password: '' }, { password: 1 }, { password: PASSWORD, more: true }];
  for (const payload of bodies) {
    const answer = await app.inject({ method: 'DELETE', url: '/v1/me', headers, ...(payload ? { payload } : {}) });
    expectProblem(answer, 422, 'validation_failed');
  }
  const text = { ...headers, 'content-type': 'text/plain' };
  const plain = await app.inject({ method: 'DELETE', url: '/v1/me', headers: text, payload: '{"password":"x"}' });
  expectProblem(plain, 415, 'unsupported_media_type');
  expect((await refresh(app, person.refreshToken)).statusCode).toBe(200);
});

test('leaves no trace of a person but what happened when, once the last mail is sent', async () => {
  const url = await freshDatabaseUrl({ migrated: true });
  const { app } = await buildTestApp({
    ...MAIL,
    DATABASE_URL: url,
    REFRESH_GRACE_SECONDS: '0',
    REFRESH_RECOVERY_SECONDS: '0',
    TRUSTED_PROXIES: '127.0.0.1',
  });
  const bystander = await register(app);
  const traces = { ip: '203.0.113.77', agent: 'Traceable Browser 4711' };
  const headers = { 'user-agent': traces.agent, 'x-forwarded-for': traces.ip };
  const email = 'Traceable.Person@example.test';
  const credentials = { email, password: PASSWORD };
  const post = (path: string) => app.inject({ method: 'POST', url: path, payload: credentials, headers });
  const phone = readTokens(await post('/v1/auth/register'));
  const laptop = readTokens(await post('/v1/auth/login'));
  const gone = readTokens(await post('/v1/auth/login'));
  await refresh(app, gone.refreshToken, { headers });
  expectProblem(await refresh(app, gone.refreshToken, { headers }), 401, 'refresh_token_reused');
  await logOut(app, readTokens(await post('/v1/auth/login')).refreshToken);
  const changed = await changePassword(app, laptop.accessToken, {}, { headers });
  const { accessToken } = readTokens(changed);
  await withClient(url, async (client) => {
    const { userId } = phone;
    await client.query(
      `INSERT INTO one_time_tokens (token_hash, user_id, purpose, email, expires_at)
       VALUES (sha256('a'), $1, 'change_email', 'traceable.person@new.example.test', now() + interval '1 hour')`,
      [userId],
    );
    await client.query(
      `INSERT INTO second_factors (user_id, sealed_secret, secret_id) VALUES ($1, decode(repeat('00', 60), 'hex'), 0)`,
      [userId],
    );
    await client.query(`INSERT INTO recovery_codes (user_id, code_hash) VALUES ($1, sha256('a'))`, [userId]);
    await client.query(
      `INSERT INTO outbox_mails (id, kind, recipient, user_id)
       VALUES (gen_random_uuid(), 'change_email', 'traceable.person@new.example.test', $1)`,
      [userId],
    );
  });
  expect((await rowsWith(url, 'traceable')).length).toBeGreaterThan(5);
  expect((await rowsWith(url, traces.ip)).length).toBeGreaterThan(5);

  const departure = await app.inject({
    method: 'DELETE',
    url: '/v1/me',
    payload: { password: NEW_PASSWORD },
    headers: { ...headers, ...bearer(accessToken) },
  });
  expect(departure.statusCode).toBe(204);

  const mails = await rowsWith(url, 'traceable.person');
  expect(mails).toHaveLength(1);
  expect(mails[0]).toContain('account_deleted');
  // Sent, it leaves.
  await withClient(url, (client) => client.query("DELETE FROM outbox_mails WHERE kind = 'account_deleted'"));
  for (const trace of ['traceable', traces.ip, traces.agent, '4711']) expect(await rowsWith(url, trace)).toEqual([]);
  for (const { sessionId } of [phone, laptop, gone]) {
    const found = await rowsWith(url, sessionId);
    expect(found.every((row) => row.startsWith('session_endings:'))).toBe(true);
  }
  const events = await rowsWith(url, phone.userId);
  expect(events.length).toBeGreaterThan(8);
  expect(events.every((row) => row.startsWith('events:'))).toBe(true);
  expect(events.filter((row) => row.includes('account_deleted'))).toHaveLength(1);
  // Nobody else lost anything.
  expect((await refresh(app, bystander.refreshToken)).statusCode).toBe(200);
  expect((await rowsWith(url, bystander.email)).length).toBeGreaterThan(1);
});

test('records nothing of a person who has left, not even an attempt that was under way', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const attempts = Array.from({ length: 20 }, () => tryLogIn(app, person.email, 'wrong'));
  const [departure] = await Promise.all([leave(app, person.accessToken), ...attempts]);
  expect(departure?.statusCode).toBe(204);
  // All that is still to be written is.
  await app.close();
  const events = await eventsOf(person.userId);
  expect(events.filter(({ ip, user_agent, session_id }) => ip || user_agent || session_id)).toEqual([]);
  expect(events.filter(({ type }) => type === 'account_deleted')).toHaveLength(1);
});

test('lets the address register anew, as somebody else who sees nothing of the former', async () => {
  const { app } = await buildTestApp();
  const former = await register(app);
  expect((await leave(app, former.accessToken)).statusCode).toBe(204);
  const response = await app.inject({
    method: 'POST',
    url: '/v1/auth/register',
    payload: { email: former.email, password: PASSWORD },
  });
  expect(response.statusCode).toBe(201);
  const next = readTokens(response);
  expect(next.userId).not.toBe(former.userId);
  const headers = bearer(next.accessToken);
  const { events } = (await app.inject({ url: '/v1/me/events', headers })).json();
  expect(events.map(({ type }: { type: string }) => type).sort()).toEqual(['login', 'register']);
  expectProblem(await getMe(app, former.accessToken), 401, 'session_ended');
  expectProblem(await refresh(app, former.refreshToken), 401, 'session_ended');
  expect(await eventTypesOf(former.userId)).toContain('account_deleted');
});

test('lets a person with twenty thousand events leave within two seconds', { timeout: 60_000 }, async () => {
  const url = await freshDatabaseUrl({ migrated: true });
  const { app } = await buildTestApp({ DATABASE_URL: url });
  const person = await register(app);
  await withClient(url, (client) =>
    client.query(
      `INSERT INTO events (id, user_id, session_id, type, ip, user_agent, details)
       SELECT gen_random_uuid(), $1, gen_random_uuid(), 'login_failed', '203.0.113.7', repeat('x', 120), '{"a": 1}'
       FROM generate_series(1, 20000)`,
      [person.userId],
    ),
  );
  const startedAt = performance.now();
  expect((await leave(app, person.accessToken)).statusCode).toBe(204);
  expect(performance.now() - startedAt).toBeLessThan(2_000);
});
