import { expect, test } from 'vitest';
import {
  bearer,
  changePassword,
  countLiveSessions,
  deafInstance,
  eventsOf,
  eventTypesOf,
  leave,
  NEW_PASSWORD,
  tryLogIn,
} from '../support/accounts.js';
import { sql } from '../support/database.js';
import { buildTestApp, cookieOf, getMe, logIn, PASSWORD, readTokens, refresh, register } from '../support/test-app.js';
import { expectProblem, sessionRow } from './http/support.js';

/** Mail is written, and goes nowhere. */
const MAIL = { SMTP_URL: 'smtp://127.0.0.1:1', MAIL_FROM: 'auth@example.test', APP_URL: 'https://app.example.test' };

test('changes the password, keeps this session with the next tokens and ends every other one', async () => {
  const { app } = await buildTestApp();
  const phone = await register(app);
  const laptop = await logIn(app, phone.email);
  const before = await sessionRow(laptop.sessionId);

  const response = await changePassword(app, laptop.accessToken);
  expect(response.statusCode).toBe(200);
  expect(response.headers['cache-control']).toBe('no-store');
  expect(response.json()).toMatchObject({ token_type: 'Bearer', session: { id: laptop.sessionId } });
  expect(response.json()).not.toHaveProperty('refresh_token');
  const next = readTokens(response);
  expect(next.refreshToken).not.toBe(laptop.refreshToken);
  expect(await sessionRow(laptop.sessionId)).toMatchObject({ generation: before.generation + 1, ended_at: null });

  expect((await getMe(app, next.accessToken)).statusCode).toBe(200);
  expect((await getMe(app, laptop.accessToken)).statusCode).toBe(200);
  expect((await refresh(app, next.refreshToken)).statusCode).toBe(200);
  for (const answer of [await getMe(app, phone.accessToken), await refresh(app, phone.refreshToken)]) {
    expect(answer.json()).toMatchObject({ status: 401, code: 'session_ended', reason: 'password_changed' });
  }
  expectProblem(await tryLogIn(app, phone.email), 401, 'invalid_credentials');
  expect((await tryLogIn(app, phone.email, NEW_PASSWORD)).statusCode).toBe(200);
});

test('gives a session of a native app its next refresh token in the body, and no cookie', async () => {
  const { app } = await buildTestApp();
  const phone = await register(app, { transport: 'body' });
  const response = await changePassword(app, phone.accessToken);
  expect(response.json().refresh_token).toMatch(/^[\w-]+$/);
  expect(response.json().refresh_token).not.toBe(phone.refreshToken);
  expect(cookieOf(response)).toBeUndefined();
});

test('lets a client whose answer was lost go on with the token that it has', async () => {
  const { app } = await buildTestApp({ REFRESH_GRACE_SECONDS: '0' });
  const person = await register(app);
  const lost = readTokens(await changePassword(app, person.accessToken));
  const retried = await refresh(app, person.refreshToken);
  expect(retried.statusCode).toBe(200);
  expect(cookieOf(retried)).toBe(lost.refreshToken);
});

test('proves the person anew: the next access token is of now, by the password', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  await sql("UPDATE sessions SET authenticated_at = now() - interval '10 minutes' WHERE id = $1", [person.sessionId]);
  const { accessToken } = readTokens(await changePassword(app, person.accessToken));
  const claims = JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString());
  expect(claims).toMatchObject({ gen: 2, amr: ['pwd'] });
  expect(claims.iat - claims.auth_time).toBeLessThanOrEqual(1);
});

test('is no new sign-in where there is a second factor: the password is only half of one', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  await sql(
    "INSERT INTO second_factors (user_id, sealed_secret, secret_id, confirmed_at) VALUES ($1, decode(repeat('00', 60), 'hex'), 0, now())",
    [person.userId],
  );
  await sql(
    "UPDATE sessions SET authenticated_at = now() - interval '10 minutes', amr = '{pwd,otp,mfa}' WHERE id = $1",
    [person.sessionId],
  );
  const { accessToken } = readTokens(await changePassword(app, person.accessToken));
  const claims = JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString());
  expect(claims).toMatchObject({ gen: 2, amr: ['pwd', 'otp', 'mfa'] });
  expect(claims.iat - claims.auth_time).toBeGreaterThanOrEqual(599);
});

test('refuses a wrong password, a bad new one and the same one again, and changes nothing', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const laptop = await logIn(app, person.email);
  expectProblem(await changePassword(app, person.accessToken, { from: 'wrong' }), 401, 'invalid_credentials');
  const short = expectProblem(await changePassword(app, person.accessToken, { to: 'short' }), 422, 'password_rejected');
  expect(short.errors?.[0]?.path).toBe('/new_password');
  const same = await changePassword(app, person.accessToken, { to: PASSWORD });
  expect(expectProblem(same, 422, 'password_rejected').errors?.[0]?.path).toBe('/new_password');
  for (const { refreshToken } of [person, laptop]) expect((await refresh(app, refreshToken)).statusCode).toBe(200);
  expect((await tryLogIn(app, person.email)).statusCode).toBe(200);
  await expect.poll(() => eventTypesOf(person.userId)).toContain('login_failed');
  expect(await eventTypesOf(person.userId)).not.toContain('password_changed');
});

test('refuses bodies that are not what it takes', async () => {
  const { app } = await buildTestApp();
  const { accessToken } = await register(app);
  for (const payload of [
    {},
    { current_password: PASSWORD },
    { current_password: PASSWORD, new_password: NEW_PASSWORD, user_id: 'x' },
    { current_password: PASSWORD, new_password: 'x'.repeat(257) },
    { current_password: { not: '' }, new_password: NEW_PASSWORD },
  ]) {
    expectProblem(await changePassword(app, accessToken, {}, { payload }), 422, 'validation_failed');
  }
});

test('needs an access token of a sign-in that is recent', async () => {
  const { app } = await buildTestApp({ RECENT_AUTH_SECONDS: '60' });
  const person = await register(app);
  await sql("UPDATE sessions SET authenticated_at = now() - interval '61 seconds' WHERE id = $1", [person.sessionId]);
  const { accessToken } = readTokens(await refresh(app, person.refreshToken));
  for (const response of [await changePassword(app, accessToken), await leave(app, accessToken)]) {
    expectProblem(response, 401, 'insufficient_user_authentication');
    expect(response.headers['www-authenticate']).toContain('max_age=60');
  }
  for (const response of [await changePassword(app, 'none'), await leave(app, 'none')]) {
    expectProblem(response, 401, 'access_token_invalid');
  }
});

test('refuses a page of another origin that carries the cookie', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const headers = { cookie: `__Host-refresh_token=${person.refreshToken}`, origin: 'https://evil.example' };
  const change = await changePassword(app, person.accessToken, {}, { headers });
  expectProblem(change, 403, 'origin_not_allowed');
  const departure = await app.inject({
    method: 'DELETE',
    url: '/v1/me',
    payload: { password: PASSWORD },
    headers: { ...bearer(person.accessToken), ...headers },
  });
  expectProblem(departure, 403, 'origin_not_allowed');
});

test('changes nothing when the own session has ended, though this instance has not heard of it', async () => {
  const { app } = await buildTestApp();
  const deaf = await deafInstance();
  const person = await register(app);
  const laptop = await logIn(app, person.email);
  await app.inject({
    method: 'DELETE',
    url: `/v1/sessions/${person.sessionId}`,
    headers: bearer(laptop.accessToken),
  });
  expect(expectProblem(await changePassword(deaf, person.accessToken), 401, 'session_ended').reason).toBe('revoked');
  expectProblem(await getMe(deaf, person.accessToken), 401, 'session_ended');
  expect((await refresh(app, laptop.refreshToken)).statusCode).toBe(200);
  expect((await tryLogIn(app, person.email)).statusCode).toBe(200);
});

test('makes mailed links void, records the change once and writes a notice', async () => {
  const { app } = await buildTestApp(MAIL);
  const person = await register(app);
  const laptop = await logIn(app, person.email);
  await sql(
    `INSERT INTO one_time_tokens (token_hash, user_id, purpose, email, expires_at)
     SELECT sha256(purpose::bytea || $1::text::bytea), $1::uuid, purpose, $2, now() + interval '1 hour'
     FROM unnest('{reset_password,change_email}'::text[]) purpose`,
    [person.userId, person.email],
  );
  const userAgent = 'Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0';
  const response = await changePassword(app, person.accessToken, {}, { headers: { 'user-agent': userAgent } });
  expect(response.statusCode).toBe(200);

  expect(await sql('SELECT 1 FROM one_time_tokens WHERE user_id = $1 AND expires_at > now()', [person.userId])).toEqual(
    [],
  );
  const events = await eventsOf(person.userId);
  expect(events.map(({ type }) => type).sort()).toEqual([
    'login',
    'login',
    'password_changed',
    'register',
    'session_ended',
  ]);
  expect(events.find(({ type }) => type === 'password_changed')).toMatchObject({
    session_id: person.sessionId,
    ip: '127.0.0.1',
    user_agent: userAgent,
    details: {},
  });
  expect(events.find(({ type }) => type === 'session_ended')).toMatchObject({
    session_id: laptop.sessionId,
    details: { reason: 'password_changed' },
  });
  const mails = await sql("SELECT * FROM outbox_mails WHERE recipient = $1 AND kind = 'password_changed'", [
    person.email,
  ]);
  expect(mails).toHaveLength(1);
  expect(mails[0]).toMatchObject({ user_id: person.userId, details: { ip: '127.0.0.1', user_agent: userAgent } });
  expect(await countLiveSessions(person.userId)).toBe(1);
});
