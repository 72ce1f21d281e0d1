import type { FastifyInstance, LightMyRequestResponse as Response } from 'fastify';
import { expect, test } from 'vitest';
import { sql } from '../../support/database.js';
import {
  ageSignIn,
  asPerson,
  beginLogin,
  claimsOf,
  codeOf,
  eventsOf,
  finishLogin,
  forgetUsedCodes,
  registerWithSecondFactor,
  wrongCode,
} from '../../support/second-factor.js';
import {
  buildTestApp,
  COOKIE,
  cookieOf,
  getMe,
  logIn,
  PASSWORD,
  readTokens,
  refresh,
  register,
} from '../../support/test-app.js';
import { bearer, expectProblem, post, sessionRow } from './support.js';

/** A real route that needs a recent sign-in, and changes something when it is let through. */
const enrolAs = (app: FastifyInstance, person: { accessToken: string }) =>
  asPerson(app, person, 'POST', '/v1/me/second-factor');

const reauthenticate = (
  app: FastifyInstance,
  { accessToken }: { accessToken: string },
  body: object = { password: PASSWORD },
): Promise<Response> => post(app, '/v1/auth/reauthenticate', body, { headers: bearer(accessToken) });

test('refuses an old sign-in in the words of RFC 9470, and runs no handler', async () => {
  const { app } = await buildTestApp();
  const person = await ageSignIn(app, await register(app), 901);
  const refused = await enrolAs(app, person);
  expectProblem(refused, 401, 'insufficient_user_authentication');
  expect(refused.headers['www-authenticate']).toMatch(
    /^Bearer realm="auth\.example\.test", error="insufficient_user_authentication", error_description="[^"]+", max_age=900$/,
  );
  expect(await sql('SELECT user_id FROM second_factors WHERE user_id = $1', [person.userId])).toEqual([]);
  // The token is good for all else: this is no sign-out.
  expect((await getMe(app, person.accessToken)).statusCode).toBe(200);
});

test('says nothing of the age of a sign-in to whoever has no good token', async () => {
  const { app } = await buildTestApp();
  const person = await ageSignIn(app, await register(app), 901);
  expectProblem(await post(app, '/v1/me/second-factor'), 401, 'access_token_missing');
  expectProblem(await enrolAs(app, { accessToken: 'not.a.token' }), 401, 'access_token_invalid');
  await post(app, '/v1/auth/logout', undefined, { headers: bearer(person.accessToken) });
  expectProblem(await enrolAs(app, person), 401, 'session_ended');
});

test('lets a sign-in through up to the very age that is configured', async () => {
  const { app } = await buildTestApp({ RECENT_AUTH_SECONDS: '120' });
  const young = await ageSignIn(app, await register(app), 115);
  expect((await enrolAs(app, young)).statusCode).toBe(201);
  const old = await ageSignIn(app, await register(app), 121);
  const refused = await enrolAs(app, old);
  expectProblem(refused, 401, 'insufficient_user_authentication');
  expect(refused.headers['www-authenticate']).toMatch(/, max_age=120$/);
});

test('judges the age of a sign-in by the time of the database, whatever this process thinks it is', async () => {
  const { app } = await buildTestApp();
  const young = await register(app);
  const old = await ageSignIn(app, await register(app), 901);
  const real = Date.now;
  for (const hours of [-1, 1]) {
    Date.now = () => real() + hours * 3_600_000;
    try {
      expect((await enrolAs(app, young)).statusCode).toBe(201);
      expect((await enrolAs(app, old)).statusCode).toBe(401);
    } finally {
      Date.now = real;
    }
  }
});

test('makes a sign-in recent again, in the same session, with the next refresh token', async () => {
  const { app } = await buildTestApp();
  const person = await ageSignIn(app, await register(app), 3_600);
  const before = await sessionRow(person.sessionId);
  const answer = await reauthenticate(app, person);
  expect(answer.statusCode).toBe(200);
  expect(answer.headers['cache-control']).toBe('no-store');
  const renewed = readTokens(answer);
  expect(renewed).toMatchObject({ sessionId: person.sessionId, userId: person.userId });
  const claims = claimsOf(renewed.accessToken);
  expect(claims.amr).toEqual(['pwd']);
  expect(Math.abs(claims.auth_time - Date.now() / 1000)).toBeLessThan(5);
  const after = await sessionRow(person.sessionId);
  expect(after.generation).toBe(before.generation + 1);
  expect(after.expires_at).toEqual(before.expires_at);
  expect((await enrolAs(app, renewed)).statusCode).toBe(201);
  // The next refresh keeps what was proved.
  const refreshed = readTokens(await refresh(app, renewed.refreshToken));
  expect(claimsOf(refreshed.accessToken).auth_time).toBe(claims.auth_time);
  expect((await enrolAs(app, refreshed)).statusCode).toBe(201);
  const events = await sql("SELECT session_id, details FROM events WHERE user_id = $1 AND type = 'reauthenticated'", [
    person.userId,
  ]);
  expect(events).toEqual([{ session_id: person.sessionId, details: { amr: ['pwd'] } }]);
  expect(await eventsOf(person.userId)).not.toContain('session_ended');
});

test('does not make a sign-in recent by a refresh, nor the tokens from before by a proof', async () => {
  const { app } = await buildTestApp();
  const person = await ageSignIn(app, await register(app), 3_600);
  expectProblem(await enrolAs(app, person), 401, 'insufficient_user_authentication');
  const refreshed = { ...person, ...readTokens(await refresh(app, person.refreshToken)) };
  expectProblem(await enrolAs(app, refreshed), 401, 'insufficient_user_authentication');
  await reauthenticate(app, refreshed);
  expectProblem(await enrolAs(app, refreshed), 401, 'insufficient_user_authentication');
});

test('leaves the other sessions of the person as they are', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const other = await ageSignIn(app, await logIn(app, person.email), 3_600);
  const before = await sessionRow(other.sessionId);
  expect((await reauthenticate(app, person)).statusCode).toBe(200);
  expect(await sessionRow(other.sessionId)).toEqual(before);
  expectProblem(await enrolAs(app, other), 401, 'insufficient_user_authentication');
  const refreshed = readTokens(await refresh(app, other.refreshToken));
  expectProblem(await enrolAs(app, refreshed), 401, 'insufficient_user_authentication');
});

test('asks for the code as well where there is a second factor, and says so in the token', async () => {
  const { app } = await buildTestApp();
  const person = await registerWithSecondFactor(app);
  const code = codeOf(person.secret);
  expectProblem(await reauthenticate(app, person), 401, 'mfa_required');
  expectProblem(
    await reauthenticate(app, person, { password: PASSWORD, code: wrongCode(person.secret) }),
    401,
    'mfa_code_invalid',
  );
  expectProblem(await reauthenticate(app, person, { password: 'not the password', code }), 401, 'invalid_credentials');
  expect((await sessionRow(person.sessionId)).generation).toBe(1);
  expect(await eventsOf(person.userId)).not.toContain('reauthenticated');
  const answer = await reauthenticate(app, person, { password: PASSWORD, code });
  expect(answer.statusCode).toBe(200);
  expect(claimsOf(answer.json().access_token).amr).toEqual(['pwd', 'otp', 'mfa']);
  // The code is used: neither here nor for signing in is it good once more.
  expectProblem(await reauthenticate(app, person, { password: PASSWORD, code }), 401, 'mfa_code_invalid');
  expectProblem(await finishLogin(app, await beginLogin(app, person.email), code), 401, 'mfa_code_invalid');
  await forgetUsedCodes(person.userId);
  const [recoveryCode] = person.recoveryCodes;
  expect((await reauthenticate(app, person, { password: PASSWORD, code: recoveryCode })).statusCode).toBe(200);
});

test('takes a code that nobody asked for without a word where there is no second factor', async () => {
  const { app } = await buildTestApp();
  const answer = await reauthenticate(app, await register(app), { password: PASSWORD, code: '123456' });
  expect(claimsOf(answer.json().access_token).amr).toEqual(['pwd']);
});

test.each(['cookie', 'body'])('answers a %s session in its own way', async (transport) => {
  const { app } = await buildTestApp();
  const person = await register(app, { transport });
  const answer = await reauthenticate(app, person);
  expect(cookieOf(answer) !== undefined).toBe(transport === 'cookie');
  expect(answer.json().refresh_token !== undefined).toBe(transport === 'body');
});

test('gives the same successor to the old refresh token when the answer was lost', async () => {
  const { app } = await buildTestApp({ REFRESH_GRACE_SECONDS: '0' });
  const person = await register(app);
  const lost = readTokens(await reauthenticate(app, person));
  const retried = await refresh(app, person.refreshToken);
  expect(retried.statusCode).toBe(200);
  expect(cookieOf(retried)).toBe(lost.refreshToken);
  // And the proof is not lost with the answer.
  expect((await enrolAs(app, readTokens(retried))).statusCode).toBe(201);
  expect((await refresh(app, lost.refreshToken)).statusCode).toBe(200);
});

test('gives the same successor when it is asked again because the answer was lost', async () => {
  const { app } = await buildTestApp({ REFRESH_GRACE_SECONDS: '0' });
  const person = await register(app);
  const [lost, again] = [await reauthenticate(app, person), await reauthenticate(app, person)];
  expect(cookieOf(again)).toBe(cookieOf(lost));
  expect((await sessionRow(person.sessionId)).generation).toBe(2);
  expect((await refresh(app, person.refreshToken)).statusCode).toBe(200);
});

test('moves nothing for an access token from before the last refresh, whose answer may have been lost', async () => {
  const { app } = await buildTestApp({ REFRESH_GRACE_SECONDS: '0' });
  const person = await register(app);
  const lost = await refresh(app, person.refreshToken);
  const answer = await reauthenticate(app, person);
  expect(cookieOf(answer)).toBe(cookieOf(lost));
  expect((await sessionRow(person.sessionId)).generation).toBe(2);
  expect(cookieOf(await refresh(app, person.refreshToken))).toBe(cookieOf(lost));
});

test('still tells a thief from the owner: a token from before the proof that comes back after it was used ends the session', async () => {
  const { app } = await buildTestApp({ REFRESH_GRACE_SECONDS: '0' });
  const person = await register(app);
  const renewed = readTokens(await reauthenticate(app, person));
  expect((await refresh(app, renewed.refreshToken)).statusCode).toBe(200);
  expectProblem(await refresh(app, person.refreshToken), 401, 'refresh_token_reused');
});

test('answers an ended, an expired and a gone session with what it is', async () => {
  const [one, other] = [await buildTestApp(), await buildTestApp()];
  const ended = await register(one.app);
  await sql("UPDATE sessions SET ended_at = now(), end_reason = 'revoked' WHERE id = $1", [ended.sessionId]);
  expect(expectProblem(await reauthenticate(other.app, ended), 401, 'session_ended').reason).toBe('revoked');

  const idle = await register(one.app);
  await sql("UPDATE sessions SET idle_expires_at = now() - interval '1 second' WHERE id = $1", [idle.sessionId]);
  expect(expectProblem(await reauthenticate(other.app, idle), 401, 'session_expired').reason).toBe('idle');

  const gone = await register(one.app);
  await sql('DELETE FROM users WHERE id = $1', [gone.userId]);
  expect(expectProblem(await reauthenticate(other.app, gone), 401, 'session_ended').reason).toBe('account_deleted');
});

test('refuses a body that is not as it should be, a missing token, and a foreign page', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  for (const body of [
    {},
    { password: '' },
    { password: 'x'.repeat(257) },
    { password: PASSWORD, code: 'x'.repeat(33) },
    { password: PASSWORD, more: 1 },
  ]) {
    expectProblem(await reauthenticate(app, person, body), 422, 'validation_failed');
  }
  expectProblem(await post(app, '/v1/auth/reauthenticate', { password: PASSWORD }), 401, 'access_token_missing');
  const headers = {
    ...bearer(person.accessToken),
    cookie: `${COOKIE}=${person.refreshToken}`,
    origin: 'https://evil.example',
  };
  const foreign = await post(app, '/v1/auth/reauthenticate', { password: PASSWORD }, { headers });
  expectProblem(foreign, 403, 'origin_not_allowed');
});
