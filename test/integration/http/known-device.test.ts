import { createHash } from 'node:crypto';
import type { FastifyInstance, LightMyRequestResponse as Response } from 'fastify';
import { expect, test } from 'vitest';
import { failuresOf, pretendFailures, subjectOf } from '../../support/attempts.js';
import { freshDatabaseUrl, sql } from '../../support/database.js';
import { buildTestApp, COOKIE, freshEmail, PASSWORD, refresh, register } from '../../support/test-app.js';
import { codeOf, post } from './support.js';

const NAME = '__Host-known_device';
const DAYS_400 = 34_560_000;

const logIn = (app: FastifyInstance, email: string, body: object = {}, cookie?: string) =>
  post(app, '/v1/auth/login', { email, password: PASSWORD, ...body }, { headers: cookie ? { cookie } : {} });

const cookieOf = (response: Response) => response.cookies.find(({ name }) => name === NAME);
const deviceValueOf = (response: Response) => cookieOf(response)?.value ?? expect.unreachable('no known device');

/** A new person, and what their device was given. */
async function signUp(app: FastifyInstance): Promise<{ email: string; value: string; response: Response }> {
  const email = freshEmail();
  const response = await post(app, '/v1/auth/register', { email, password: PASSWORD });
  return { email, response, value: deviceValueOf(response) };
}

/** Strangers have guessed at this account until they have to wait. */
async function attack(app: FastifyInstance, email: string): Promise<void> {
  await pretendFailures(subjectOf(`account|sign_in|${email}`), 30);
  await logIn(app, email, { password: 'a wrong guess' });
  expect(codeOf(await logIn(app, email))).toBe('too_many_attempts');
}

test('is a cookie for this host alone, out of reach of scripts, kept for 400 days', async () => {
  const { app } = await buildTestApp();
  const { email, response } = await signUp(app);
  for (const answer of [response, await logIn(app, email)]) {
    expect(cookieOf(answer)).toEqual({
      name: NAME,
      value: expect.stringMatching(/^[A-Za-z0-9_-]{67}$/),
      path: '/',
      httpOnly: true,
      secure: true,
      sameSite: 'Strict',
      maxAge: DAYS_400,
    });
    expect(answer.json()).not.toHaveProperty('known_device');
  }
});

test('is as the configuration has it for plain http and for other sites', async () => {
  const { app } = await buildTestApp({ ISSUER_URL: 'http://auth.example.test', COOKIE_SECURE: 'false' });
  const response = await post(app, '/v1/auth/register', { email: freshEmail(), password: PASSWORD });
  const cookie = response.cookies.find(({ name }) => name === 'known_device');
  expect(cookie).toMatchObject({ path: '/', httpOnly: true, sameSite: 'Strict', maxAge: DAYS_400 });
  expect(cookie).not.toHaveProperty('secure');
  const { app: lax } = await buildTestApp({ COOKIE_SAME_SITE: 'lax' });
  expect(cookieOf((await signUp(lax)).response)).toMatchObject({ sameSite: 'Lax', secure: true });
});

test('lets its owner in while strangers have to wait, and survives signing out', async () => {
  const { app } = await buildTestApp();
  const { email, value, response } = await signUp(app);
  const refreshToken = response.cookies.find(({ name }) => name === COOKIE)?.value ?? '';
  const cookies = { [COOKIE]: refreshToken, [NAME]: value };
  const loggedOut = await app.inject({ method: 'POST', url: '/v1/auth/logout', cookies });
  expect(loggedOut.statusCode).toBe(204);
  expect(loggedOut.cookies.map(({ name }) => name)).toEqual([COOKIE]);
  await attack(app, email);
  expect((await logIn(app, email, {}, `${NAME}=${value}`)).statusCode).toBe(200);
  expect(codeOf(await logIn(app, email))).toBe('too_many_attempts');
});

test('stays the same device at the next sign-in, and is a new one without the cookie', async () => {
  const { app } = await buildTestApp();
  const { email, value } = await signUp(app);
  expect(deviceValueOf(await logIn(app, email, {}, `${NAME}=${value}`))).toBe(value);
  expect(deviceValueOf(await logIn(app, email))).not.toBe(value);
  expect(deviceValueOf(await logIn(app, email, {}, `${NAME}=garbage`))).not.toBe('garbage');
});

test('is sent by signing in alone: not by refresh, and not by a sign-in that failed', async () => {
  const { app } = await buildTestApp();
  const { email, refreshToken } = await register(app);
  expect((await refresh(app, refreshToken)).cookies.map(({ name }) => name)).toEqual([COOKIE]);
  expect((await logIn(app, email, { password: 'a wrong guess' })).cookies).toEqual([]);
});

test("is a stranger's when it is another person's, forged, mutated, cut, doubled, or a token", async () => {
  const { app } = await buildTestApp();
  const { email, value, response } = await signUp(app);
  const { value: foreign } = await signUp(app);
  await attack(app, email);
  const flipped = value.replace(/^(.{30})(.)/, (_, head, letter) => head + (letter === 'A' ? 'B' : 'A'));
  const refreshToken = response.cookies.find(({ name }) => name === COOKIE)?.value;
  for (const cookie of [
    `${NAME}=${foreign}`,
    `${NAME}=${flipped}`,
    `${NAME}=${value.slice(0, -1)}`,
    `${NAME}=${value}A`,
    `${NAME}=${refreshToken}`,
    `${NAME}=${response.json().access_token}`,
    `${NAME}=`,
    `${NAME}=${value}; ${NAME}=${value}`,
    `${NAME}=${foreign}; ${NAME}=${value}`,
    `${NAME}=${value}; a=b; ${NAME}=${foreign}`,
    `known_device=${value}`,
  ]) {
    expect(codeOf(await logIn(app, email, {}, cookie)), cookie).toBe('too_many_attempts');
  }
  expect((await logIn(app, email, {}, `a=b; ${NAME}=${value}`)).statusCode).toBe(200);
});

test('has a budget of its own, and a stop of its own that a new password ends', async () => {
  const { app } = await buildTestApp();
  const { email, value } = await signUp(app);
  const cookie = `${NAME}=${value}`;
  for (let time = 0; time < 5; time += 1) {
    expect((await logIn(app, email, { password: 'a wrong guess' }, cookie)).statusCode).toBe(401);
  }
  expect(codeOf(await logIn(app, email, {}, cookie))).toBe('too_many_attempts');
  // To the account, nothing has happened.
  expect((await logIn(app, email)).statusCode).toBe(200);
  const device = Buffer.from(value, 'base64url').subarray(2, 18).toString('hex');
  expect(await failuresOf(subjectOf(`device|sign_in|${device}|1`))).toBe(5);
  await sql('UPDATE users SET password_version = 2 WHERE email = $1', [email]);
  expect((await logIn(app, email, {}, cookie)).statusCode).toBe(200);
});

test('is in the body for a native app, which sends it back there', async () => {
  const { app } = await buildTestApp();
  const email = freshEmail();
  const transport = 'body';
  const registered = await post(app, '/v1/auth/register', { email, password: PASSWORD, transport });
  const { known_device } = registered.json();
  expect(known_device).toMatch(/^[A-Za-z0-9_-]{67}$/);
  expect(registered.cookies).toEqual([]);
  await attack(app, email);
  const again = await logIn(app, email, { transport, known_device });
  expect(again.statusCode).toBe(200);
  expect(again.json().known_device).toBe(known_device);
  expect(codeOf(await logIn(app, email, { transport, known_device: 'x'.repeat(67) }))).toBe('too_many_attempts');
  expect((await logIn(app, email, { transport, known_device: 'x'.repeat(513) })).statusCode).toBe(422);
  const refreshed = await post(app, '/v1/auth/refresh', { refresh_token: again.json().refresh_token });
  expect(refreshed.statusCode).toBe(200);
  expect(refreshed.json()).not.toHaveProperty('known_device');
});

test('stays known under a new application secret for as long as the old one is listed', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const [old, current] = ['an old secret', 'a new secret'].map((name) =>
    createHash('sha256').update(name).digest('base64url'),
  );
  const start = async (secrets: unknown[]) =>
    (await buildTestApp({ DATABASE_URL, APP_SECRETS: secrets.join(',') })).app;
  const { email, value } = await signUp(await start([old]));
  const both = await start([current, old]);
  for (let time = 0; time < 5; time += 1) await logIn(both, email, { password: 'a wrong guess' });
  expect(codeOf(await logIn(both, email))).toBe('too_many_attempts');
  const renewed = deviceValueOf(await logIn(both, email, {}, `${NAME}=${value}`));
  expect(renewed).not.toBe(value);
  const id = (text: string) => Buffer.from(text, 'base64url').subarray(2, 18).toString('hex');
  expect(id(renewed)).toBe(id(value));
  const later = await start([current]);
  expect(codeOf(await logIn(later, email, {}, `${NAME}=${value}`))).toBe('too_many_attempts');
  expect((await logIn(later, email, {}, `${NAME}=${renewed}`)).statusCode).toBe(200);
});
