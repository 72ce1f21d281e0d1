import { createHash } from 'node:crypto';
import type { LightMyRequestResponse as Response } from 'fastify';
import { expect, test } from 'vitest';
import { encodeMfaToken } from '../../../src/modules/accounts/mfa-token.js';
import { createKeyRing } from '../../../src/shared/key-ring.js';
import { sql } from '../../support/database.js';
import {
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
  PASSWORD,
  readTokens,
  refresh,
  register,
  TEST_SECRET,
} from '../../support/test-app.js';
import { expectProblem, post } from './support.js';

const ring = createKeyRing([Buffer.from(TEST_SECRET, 'base64url')]);
const loginOf = (email: string) => ({ email, password: PASSWORD });
const knownDeviceOf = (response: Response) =>
  response.cookies.find(({ name }) => name === '__Host-known_device')?.value;

test('answers the first step with a token for the second, and with nothing else', async () => {
  const { app } = await buildTestApp();
  const person = await registerWithSecondFactor(app);
  const before = await eventsOf(person.userId);
  const first = await post(app, '/v1/auth/login', loginOf(person.email));
  expect(first.statusCode).toBe(200);
  expect(first.json()).toEqual({
    mfa_required: true,
    mfa_token: expect.stringMatching(/^[A-Za-z0-9_-]{79}$/),
    expires_in: 300,
    methods: ['totp', 'recovery_code'],
  });
  expect(first.headers['cache-control']).toBe('no-store');
  expect(first.headers['set-cookie']).toBeUndefined();
  // The right password alone is no sign-in: no event says so, no session is open, no device is known.
  expect(await eventsOf(person.userId)).toEqual(before);
  expect(await sql('SELECT id FROM sessions WHERE user_id = $1', [person.userId])).toHaveLength(1);
});

test('answers a wrong password as for anybody else', async () => {
  const { app } = await buildTestApp();
  const person = await registerWithSecondFactor(app);
  const answer = await post(app, '/v1/auth/login', { email: person.email, password: 'not the password' });
  expectProblem(answer, 401, 'invalid_credentials');
});

test('signs in with a code of the app, and says in the access token how', async () => {
  const { app } = await buildTestApp();
  const person = await registerWithSecondFactor(app);
  const signedIn = await finishLogin(app, await beginLogin(app, person.email), codeOf(person.secret));
  expect(signedIn.statusCode).toBe(200);
  expect(Object.keys(signedIn.json()).sort()).toEqual(['access_token', 'expires_in', 'session', 'token_type', 'user']);
  expect(signedIn.json().user).toMatchObject({ id: person.userId, email: person.email });
  expect(cookieOf(signedIn)).toBeDefined();
  expect(knownDeviceOf(signedIn)).toBeDefined();
  const { accessToken, refreshToken, sessionId } = readTokens(signedIn);
  const { amr, auth_time: authTime } = claimsOf(accessToken);
  expect(amr).toEqual(['pwd', 'otp', 'mfa']);
  expect(Math.abs(authTime - Date.now() / 1000)).toBeLessThan(5);
  expect((await getMe(app, accessToken)).statusCode).toBe(200);
  // Both stay in the tokens that follow.
  const next = claimsOf((await refresh(app, refreshToken)).json().access_token);
  expect(next).toMatchObject({ amr: ['pwd', 'otp', 'mfa'], auth_time: authTime, sid: sessionId });
  const [login] = await sql(
    "SELECT session_id, details FROM events WHERE user_id = $1 AND type = 'login' AND session_id = $2",
    [person.userId, sessionId],
  );
  expect(login).toEqual({ session_id: sessionId, details: { amr: ['pwd', 'otp', 'mfa'] } });
});

test('signs in with a recovery code in any spelling, once', async () => {
  const { app } = await buildTestApp();
  const person = await registerWithSecondFactor(app);
  const [code = '', other = ''] = person.recoveryCodes;
  const mfaToken = await beginLogin(app, person.email);
  const signedIn = await finishLogin(app, mfaToken, ` ${code.toUpperCase().replace('-', ' ')} `);
  expect(signedIn.statusCode).toBe(200);
  expect(claimsOf(signedIn.json().access_token).amr).toEqual(['pwd', 'otp', 'mfa']);
  expectProblem(await finishLogin(app, mfaToken, code), 401, 'mfa_code_invalid');
  expect((await finishLogin(app, mfaToken, other.replaceAll('0', 'O').replaceAll('1', 'l'))).statusCode).toBe(200);
  const used = await sql(
    "SELECT details FROM events WHERE user_id = $1 AND type = 'mfa_recovery_code_used' ORDER BY created_at",
    [person.userId],
  );
  expect(used).toEqual([{ details: { left: 9 } }, { details: { left: 8 } }]);
});

test('takes a code once, and none that came before one that was used', async () => {
  const { app } = await buildTestApp();
  const person = await registerWithSecondFactor(app);
  const [now, next] = [codeOf(person.secret), codeOf(person.secret, 1)];
  const mfaToken = await beginLogin(app, person.email);
  expect((await finishLogin(app, mfaToken, next)).statusCode).toBe(200);
  expectProblem(await finishLogin(app, mfaToken, next), 401, 'mfa_code_invalid');
  expectProblem(await finishLogin(app, mfaToken, now), 401, 'mfa_code_invalid');
});

test.each([-2, 3])('takes no code that is %i steps off, though never used', async (steps) => {
  const { app } = await buildTestApp();
  const person = await registerWithSecondFactor(app);
  const mfaToken = await beginLogin(app, person.email);
  expectProblem(await finishLogin(app, mfaToken, codeOf(person.secret, steps)), 401, 'mfa_code_invalid');
});

test('records a wrong code, and takes a right one after it with the same token', async () => {
  const { app } = await buildTestApp();
  const person = await registerWithSecondFactor(app);
  const mfaToken = await beginLogin(app, person.email);
  const wrong = await finishLogin(app, mfaToken, wrongCode(person.secret));
  expectProblem(wrong, 401, 'mfa_code_invalid');
  expect(wrong.headers['set-cookie']).toBeUndefined();
  await expect.poll(() => eventsOf(person.userId)).toContain('mfa_failed');
  expect((await finishLogin(app, mfaToken, codeOf(person.secret))).statusCode).toBe(200);
});

test('still asks for the second step on a device that the account knows', async () => {
  const { app } = await buildTestApp();
  const person = await registerWithSecondFactor(app);
  const signedIn = await finishLogin(app, await beginLogin(app, person.email), codeOf(person.secret));
  const cookie = `__Host-known_device=${knownDeviceOf(signedIn)}`;
  const again = await post(app, '/v1/auth/login', loginOf(person.email), { headers: { cookie } });
  expect(again.json().mfa_required).toBe(true);
});

test('leaves a session that is open already, and its cookie, alone', async () => {
  const { app } = await buildTestApp();
  const person = await registerWithSecondFactor(app);
  const headers = { cookie: `${COOKIE}=${person.refreshToken}` };
  const first = await post(app, '/v1/auth/login', loginOf(person.email), { headers });
  expect(first.headers['set-cookie']).toBeUndefined();
  expect((await refresh(app, person.refreshToken)).statusCode).toBe(200);
});

test('opens the session in the way that the first step asked for, and never in a body for a browser', async () => {
  const { app } = await buildTestApp();
  const person = await registerWithSecondFactor(app);
  const mfaToken = await beginLogin(app, person.email, { transport: 'body' });
  for (const headers of [{ origin: 'https://auth.example.test' }, { 'sec-fetch-site': 'same-origin' }]) {
    const body = { mfa_token: mfaToken, code: codeOf(person.secret) };
    expectProblem(await post(app, '/v1/auth/mfa', body, { headers }), 401, 'mfa_token_invalid');
  }
  const signedIn = await finishLogin(app, mfaToken, codeOf(person.secret));
  expect(signedIn.headers['set-cookie']).toBeUndefined();
  const { refresh_token: refreshToken, known_device: knownDevice } = signedIn.json();
  expect((await post(app, '/v1/auth/refresh', { refresh_token: refreshToken })).statusCode).toBe(200);
  await forgetUsedCodes(person.userId);
  const again = await beginLogin(app, person.email, { transport: 'body', known_device: knownDevice });
  expect((await finishLogin(app, again, codeOf(person.secret), { known_device: knownDevice })).statusCode).toBe(200);
});

test('refuses a foreign page', async () => {
  const { app } = await buildTestApp();
  const person = await registerWithSecondFactor(app);
  const body = { mfa_token: await beginLogin(app, person.email), code: codeOf(person.secret) };
  const headers = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
  expectProblem(await post(app, '/v1/auth/mfa', body, { headers }), 403, 'origin_not_allowed');
});

test('counts the second step as the first in the tighter rate limit', async () => {
  const { app } = await buildTestApp({ RATE_LIMIT_CREDENTIALS_PER_MINUTE: '3' });
  const codes = [];
  for (let count = 0; count < 4; count += 1) codes.push((await finishLogin(app, 'x', '123456')).json().code);
  expect(codes).toEqual(['mfa_token_invalid', 'mfa_token_invalid', 'mfa_token_invalid', 'rate_limited']);
});

test('takes no other token for the one of the second step, and that one nowhere else', async () => {
  const { app } = await buildTestApp();
  const person = await registerWithSecondFactor(app);
  const mfaToken = await beginLogin(app, person.email);
  expectProblem(await getMe(app, mfaToken), 401, 'access_token_invalid');
  expectProblem(await refresh(app, mfaToken), 401, 'refresh_token_invalid');
  expectProblem(await post(app, '/v1/auth/refresh', { refresh_token: mfaToken }), 401, 'refresh_token_invalid');
  expect((await asPerson(app, { accessToken: mfaToken }, 'GET', '/v1/me/second-factor')).statusCode).toBe(401);
  for (const other of [
    person.refreshToken,
    person.accessToken.slice(0, 512),
    '',
    'x',
    `${mfaToken}A`,
    mfaToken.slice(1),
  ]) {
    const answer = await finishLogin(app, other, codeOf(person.secret));
    expect(['mfa_token_invalid', 'validation_failed']).toContain(answer.json().code);
  }
  // And none of that has used the code up.
  expect((await finishLogin(app, mfaToken, codeOf(person.secret))).statusCode).toBe(200);
});

test('refuses a token that was tampered with, made with another secret, or for another person, before it looks at the code', async () => {
  const { app } = await buildTestApp();
  const person = await registerWithSecondFactor(app);
  const thief = await registerWithSecondFactor(app);
  const good = Buffer.from(await beginLogin(app, thief.email), 'base64url');
  const forPerson = Buffer.from(good);
  forPerson.write(person.userId.replaceAll('-', ''), 2, 16, 'hex');
  const content = {
    userId: person.userId,
    passwordVersion: 1,
    transport: 'cookie',
    expiresAt: inSeconds(300),
  } as const;
  const foreign = createKeyRing([createHash('sha256').update('another secret').digest()]).current;
  for (const token of [forPerson.toString('base64url'), encodeMfaToken(content, foreign)]) {
    expectProblem(await finishLogin(app, token, codeOf(person.secret)), 401, 'mfa_token_invalid');
  }
  expect((await finishLogin(app, await beginLogin(app, person.email), codeOf(person.secret))).statusCode).toBe(200);
});

test('refuses a token that has expired, or is of a password or a factor that is gone', async () => {
  const { app } = await buildTestApp();
  const person = await registerWithSecondFactor(app);
  const content = {
    userId: person.userId,
    passwordVersion: 1,
    transport: 'cookie',
    expiresAt: inSeconds(300),
  } as const;
  const token = (changes: object) => encodeMfaToken({ ...content, ...changes }, ring.current);
  const finish = (mfaToken: string) => finishLogin(app, mfaToken, codeOf(person.secret));
  expectProblem(await finish(token({ expiresAt: inSeconds(-1) })), 401, 'mfa_token_invalid');
  expectProblem(await finish(token({ passwordVersion: 2 })), 401, 'mfa_token_invalid');
  expectProblem(await finish(token({ userId: crypto.randomUUID() })), 401, 'mfa_token_invalid');
  expectProblem(await finish(token({ userId: (await register(app)).userId })), 401, 'mfa_token_invalid');

  const begun = await beginLogin(app, person.email);
  await sql('UPDATE users SET password_version = password_version + 1 WHERE id = $1', [person.userId]);
  expectProblem(await finish(begun), 401, 'mfa_token_invalid');

  const begunAnew = await beginLogin(app, person.email);
  await sql('DELETE FROM second_factors WHERE user_id = $1', [person.userId]);
  expectProblem(await finish(begunAnew), 401, 'mfa_token_invalid');
});

test('judges tokens and codes by the time of the database, whatever this process thinks it is', async () => {
  const { app } = await buildTestApp();
  const person = await registerWithSecondFactor(app);
  const code = codeOf(person.secret);
  const real = Date.now;
  Date.now = () => real() + 3_600_000;
  try {
    const mfaToken = await beginLogin(app, person.email);
    expect((await finishLogin(app, mfaToken, code)).statusCode).toBe(200);
  } finally {
    Date.now = real;
  }
});

test('signs a person in by registering, without a second step', async () => {
  const { app } = await buildTestApp();
  const { accessToken } = await register(app);
  expect(claimsOf(accessToken).amr).toEqual(['pwd']);
});

test('documents both answers of the first step, each with an example', async () => {
  const { app } = await buildTestApp({ DOCS_ENABLED: 'true' });
  const document = (await app.inject({ url: '/openapi.json' })).json();
  const { schema, examples } = document.paths['/v1/auth/login'].post.responses[200].content['application/json'];
  expect(schema.anyOf.map(({ title }: { title: string }) => title)).toEqual(['TokenResponse', 'MfaRequired']);
  expect(Object.keys(examples)).toHaveLength(2);
});

function inSeconds(seconds: number): Date {
  return new Date(Date.now() + seconds * 1000);
}
