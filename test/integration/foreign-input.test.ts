import bcrypt from 'bcrypt';
import { expect, test } from 'vitest';
import { pretendFailures, subjectOf } from '../support/attempts.js';
import { sql } from '../support/database.js';
import {
  buildTestApp,
  COOKIE,
  freshEmail,
  getMe,
  PASSWORD,
  refresh,
  register,
  sharedTestApp,
} from '../support/test-app.js';

test.each([
  ['203.0.113.7', '203.0.113.7'],
  ['::ffff:203.0.113.7', '203.0.113.7'],
  ['2001:db8::7', '2001:db8::7'],
  ['unknown', null],
  ['203.0.113.7:4711', null],
  ['[2001:db8::1]:1234', null],
  ["'; DROP TABLE sessions; --", null],
])('signs in from behind a proxy that says %s, and keeps what is an address', async (forwarded, expected) => {
  const { app } = await sharedTestApp({ TRUSTED_PROXIES: '127.0.0.1' });
  const response = await app.inject({
    method: 'POST',
    url: '/v1/auth/register',
    headers: { 'x-forwarded-for': forwarded },
    payload: { email: freshEmail(), password: PASSWORD },
  });
  expect(response.statusCode).toBe(201);
  const [row] = await sql<{ ip: string | null }>('SELECT host(ip) AS ip FROM sessions WHERE id = $1', [
    response.json().session.id,
  ]);
  expect(row?.ip).toBe(expected);
});

test('refuses JSON that is nested deeper than a stack is', async () => {
  const { app } = await sharedTestApp();
  const response = await app.inject({
    method: 'POST',
    url: '/v1/auth/login',
    headers: { 'content-type': 'application/json' },
    payload: '['.repeat(8_000) + ']'.repeat(8_000),
  });
  expect(response.json()).toMatchObject({ status: 422, code: 'validation_failed' });
});

test('refuses an address that is too long only once its domain is spelled in ASCII', async () => {
  const { app } = await sharedTestApp();
  const payload = { email: `a@${'ü.'.repeat(90)}com`, password: PASSWORD };
  const response = await app.inject({ method: 'POST', url: '/v1/auth/register', payload });
  expect(response.json()).toMatchObject({ status: 422, code: 'validation_failed', errors: [{ path: '/email' }] });
});

test('ends the session of the cookie although the body names another token, or a header makes no sense', async () => {
  const { app } = await sharedTestApp();
  for (const disturbance of [
    { payload: { refresh_token: 'garbage' } },
    { headers: { authorization: 'Bearer "quoted"' } },
    { headers: { authorization: 'Bearer a.b.c' } },
  ]) {
    const person = await register(app);
    const headers = { ...disturbance.headers, cookie: `${COOKIE}=${person.refreshToken}` };
    const response = await app.inject({ method: 'POST', url: '/v1/auth/logout', ...disturbance, headers });
    expect(response.statusCode).toBe(204);
    expect((await getMe(app, person.accessToken)).json().code).toBe('session_ended');
    expect((await refresh(app, person.refreshToken)).json().code).toBe('session_ended');
  }
});

test('refuses the access token at once when it is told again of an ending whose first answer was lost', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  // Ended and committed, but nobody here was told: what the trigger says is switched off for this one statement.
  await sql('ALTER TABLE sessions DISABLE TRIGGER sessions_end');
  await sql("UPDATE sessions SET ended_at = now(), end_reason = 'logout' WHERE id = $1", [person.sessionId]);
  await sql('ALTER TABLE sessions ENABLE TRIGGER sessions_end');
  expect((await getMe(app, person.accessToken)).statusCode).toBe(200);
  const headers = { cookie: `${COOKIE}=${person.refreshToken}` };
  expect((await app.inject({ method: 'POST', url: '/v1/auth/logout', headers })).statusCode).toBe(204);
  expect((await getMe(app, person.accessToken)).json().code).toBe('session_ended');
});

test('takes as long for a wrong password when the stored hash is a cheap one from elsewhere', async () => {
  const { app } = await buildTestApp({ BCRYPT_COST: '10' });
  const { email } = await register(app);
  await sql('UPDATE users SET password_hash = $2 WHERE email = $1', [email, bcrypt.hashSync(PASSWORD, 4)]);
  const time = async (address: string) => {
    // Guessed at more often than anybody may.
    await pretendFailures(subjectOf(`account|sign_in|${address}`), 0);
    const startedAt = performance.now();
    const payload = { email: address, password: 'wrong password' };
    expect((await app.inject({ method: 'POST', url: '/v1/auth/login', payload })).statusCode).toBe(401);
    return performance.now() - startedAt;
  };
  await time(email);
  const pairs: number[] = [];
  for (let round = 0; round < 15; round += 1) pairs.push((await time(email)) / (await time(freshEmail())));
  // Interleaved, and the median: a hash of cost 4 alone would take a fiftieth.
  expect(pairs.sort((a, b) => a - b)[7]).toBeGreaterThan(0.5);
});
