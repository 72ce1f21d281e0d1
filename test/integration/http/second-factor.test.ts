import { expect, test } from 'vitest';
import { sql } from '../../support/database.js';
import {
  ageSignIn,
  asPerson,
  beginLogin,
  codeOf,
  enrol,
  eventsOf,
  finishLogin,
  registerWithSecondFactor,
  wrongCode,
} from '../../support/second-factor.js';
import { buildTestApp, PASSWORD, register } from '../../support/test-app.js';
import { expectProblem } from './support.js';

const PATH = '/v1/me/second-factor';
const OFF = { enabled: false, confirmed_at: null, recovery_codes_left: 0 };
/** A mail server that is not there: what is put in the outbox stays. */
const WITH_MAIL = { SMTP_URL: 'smtp://127.0.0.1:1', MAIL_FROM: 'a@example.test', APP_URL: 'https://app.example.test' };

test('turns a second factor on step by step, and asks for codes only once it is confirmed', async () => {
  const { app } = await buildTestApp({ SERVICE_NAME: 'Ada & Co', ...WITH_MAIL });
  const person = await register(app);
  const status = () => asPerson(app, person, 'GET', PATH).then((answer) => answer.json());
  expect(await status()).toEqual(OFF);

  const begun = await asPerson(app, person, 'POST', PATH);
  expect(begun.statusCode).toBe(201);
  expect(begun.headers['cache-control']).toBe('no-store');
  const { secret, otpauth_url: url } = begun.json();
  expect(Object.keys(begun.json()).sort()).toEqual(['otpauth_url', 'secret']);
  expect(secret).toMatch(/^[A-Z2-7]{32}$/);
  expect(decodeURIComponent(new URL(url).pathname)).toBe(`/Ada & Co:${person.email}`);
  expect(new URL(url).searchParams.get('secret')).toBe(secret);
  expect(await status()).toEqual(OFF);
  const payload = { email: person.email, password: PASSWORD };
  expect((await app.inject({ method: 'POST', url: '/v1/auth/login', payload })).json()).toHaveProperty('access_token');

  const confirmed = await asPerson(app, person, 'POST', `${PATH}/confirm`, { code: codeOf(secret) });
  expect(confirmed.statusCode).toBe(200);
  expect(confirmed.headers['cache-control']).toBe('no-store');
  expect(new Set(confirmed.json().recovery_codes).size).toBe(10);
  expect(await status()).toEqual({
    enabled: true,
    confirmed_at: expect.stringMatching(/^20.*Z$/),
    recovery_codes_left: 10,
  });
  await beginLogin(app, person.email);
  expect((await eventsOf(person.userId)).at(-1)).toBe('mfa_enabled');
  const mails = await sql('SELECT kind, user_id FROM outbox_mails WHERE recipient = $1 AND user_id IS NOT NULL', [
    person.email,
  ]);
  expect(mails).toEqual([{ kind: 'second_factor_enabled', user_id: person.userId }]);
});

test('voids an enrolment that was not confirmed when another one is begun', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const first = (await asPerson(app, person, 'POST', PATH)).json().secret;
  const second = (await asPerson(app, person, 'POST', PATH)).json().secret;
  expect(second).not.toBe(first);
  expectProblem(
    await asPerson(app, person, 'POST', `${PATH}/confirm`, { code: codeOf(first) }),
    401,
    'mfa_code_invalid',
  );
  expect((await asPerson(app, person, 'POST', `${PATH}/confirm`, { code: codeOf(second) })).statusCode).toBe(200);
});

test('tells what is missing or done already', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const proof = { password: PASSWORD, code: '123456' };
  for (const [path, body] of [
    ['confirm', { code: '123456' }],
    ['disable', proof],
    ['recovery-codes', proof],
  ] as const) {
    expectProblem(await asPerson(app, person, 'POST', `${PATH}/${path}`, body), 409, 'mfa_not_enabled');
  }
  const { secret } = await enrol(app, person);
  expectProblem(await asPerson(app, person, 'POST', PATH), 409, 'mfa_already_enabled');
  expectProblem(
    await asPerson(app, person, 'POST', `${PATH}/confirm`, { code: codeOf(secret) }),
    409,
    'mfa_already_enabled',
  );
});

test('takes no wrong code, and no body that is not as it should be, for a confirmation', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const { secret } = (await asPerson(app, person, 'POST', PATH)).json();
  expectProblem(
    await asPerson(app, person, 'POST', `${PATH}/confirm`, { code: wrongCode(secret) }),
    401,
    'mfa_code_invalid',
  );
  const code = codeOf(secret);
  for (const body of [
    {},
    { code: 123456 },
    { code: [code] },
    { code: 'x'.repeat(33) },
    { code, more: 1 },
    { code: '' },
  ]) {
    expectProblem(await asPerson(app, person, 'POST', `${PATH}/confirm`, body), 422, 'validation_failed');
  }
  expect((await asPerson(app, person, 'GET', PATH)).json()).toEqual(OFF);
});

test('does not take the code of the confirmation once more for signing in', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const { secret } = (await asPerson(app, person, 'POST', PATH)).json();
  const code = codeOf(secret);
  await asPerson(app, person, 'POST', `${PATH}/confirm`, { code });
  const mfaToken = await beginLogin(app, person.email);
  expectProblem(await finishLogin(app, mfaToken, code), 401, 'mfa_code_invalid');
  expect((await finishLogin(app, mfaToken, codeOf(secret, 1))).statusCode).toBe(200);
});

test.each(['code of the app', 'recovery code'])('turns it off with the password and a %s', async (kind) => {
  const { app } = await buildTestApp(WITH_MAIL);
  const person = await registerWithSecondFactor(app);
  const code = kind === 'recovery code' ? (person.recoveryCodes[3] ?? '') : codeOf(person.secret);
  const disabled = await asPerson(app, person, 'POST', `${PATH}/disable`, { password: PASSWORD, code });
  expect(disabled.statusCode).toBe(204);
  expect((await asPerson(app, person, 'GET', PATH)).json()).toEqual(OFF);
  expect(await sql('SELECT * FROM recovery_codes WHERE user_id = $1', [person.userId])).toEqual([]);
  expect((await eventsOf(person.userId)).at(-1)).toBe('mfa_disabled');
  const mails = await sql(
    'SELECT kind FROM outbox_mails WHERE recipient = $1 AND user_id IS NOT NULL ORDER BY created_at',
    [person.email],
  );
  expect(mails).toEqual([{ kind: 'second_factor_enabled' }, { kind: 'second_factor_disabled' }]);
  const payload = { email: person.email, password: PASSWORD };
  expect((await app.inject({ method: 'POST', url: '/v1/auth/login', payload })).json()).toHaveProperty('access_token');
});

test('lets nobody weaken a second factor who has an access token alone, or one of password and code', async () => {
  const { app } = await buildTestApp();
  const person = await registerWithSecondFactor(app);
  const code = codeOf(person.secret);
  const [recoveryCode = ''] = person.recoveryCodes;
  for (const path of ['disable', 'recovery-codes']) {
    const ask = (body: object) => asPerson(app, person, 'POST', `${PATH}/${path}`, body);
    expectProblem(await ask({}), 422, 'validation_failed');
    expectProblem(await ask({ code }), 422, 'validation_failed');
    expectProblem(await ask({ password: PASSWORD }), 422, 'validation_failed');
    expectProblem(await ask({ password: 'not the password', code }), 401, 'invalid_credentials');
    expectProblem(await ask({ password: PASSWORD, code: wrongCode(person.secret) }), 401, 'mfa_code_invalid');
  }
  expect((await asPerson(app, person, 'GET', PATH)).json()).toMatchObject({ enabled: true, recovery_codes_left: 10 });
  // A wrong password has used up neither code.
  const mfaToken = await beginLogin(app, person.email);
  expect((await finishLogin(app, mfaToken, code)).statusCode).toBe(200);
  expect((await finishLogin(app, mfaToken, recoveryCode)).statusCode).toBe(200);
});

test('needs a recent sign-in for every change, and none to look', async () => {
  const { app } = await buildTestApp();
  const thief = await ageSignIn(app, await register(app), 901);
  const proof = { password: PASSWORD, code: '123456' };
  for (const [path, body] of [
    ['', undefined],
    ['/confirm', { code: '123456' }],
    ['/disable', proof],
    ['/recovery-codes', proof],
  ] as const) {
    const refused = await asPerson(app, thief, 'POST', `${PATH}${path}`, body);
    expectProblem(refused, 401, 'insufficient_user_authentication');
  }
  expect((await asPerson(app, thief, 'GET', PATH)).json()).toEqual(OFF);
  expect(await sql('SELECT * FROM second_factors WHERE user_id = $1', [thief.userId])).toEqual([]);
});

test('gives ten new recovery codes, and takes the old ones no more', async () => {
  const { app } = await buildTestApp();
  const person = await registerWithSecondFactor(app);
  const body = { password: PASSWORD, code: codeOf(person.secret) };
  const renewed = await asPerson(app, person, 'POST', `${PATH}/recovery-codes`, body);
  expect(renewed.statusCode).toBe(200);
  expect(renewed.headers['cache-control']).toBe('no-store');
  const codes: string[] = renewed.json().recovery_codes;
  expect(new Set([...codes, ...person.recoveryCodes]).size).toBe(20);
  expect((await eventsOf(person.userId)).at(-1)).toBe('mfa_recovery_codes_renewed');

  const mfaToken = await beginLogin(app, person.email);
  expectProblem(await finishLogin(app, mfaToken, person.recoveryCodes[0] ?? ''), 401, 'mfa_code_invalid');
  expect((await finishLogin(app, mfaToken, codes[0] ?? '')).statusCode).toBe(200);
  expect((await asPerson(app, person, 'GET', PATH)).json().recovery_codes_left).toBe(9);
});

test('keeps people apart: a code of one is no code of another', async () => {
  const { app } = await buildTestApp();
  const ada = await registerWithSecondFactor(app);
  const bob = await registerWithSecondFactor(app);
  const mfaToken = await beginLogin(app, ada.email);
  expectProblem(await finishLogin(app, mfaToken, codeOf(bob.secret)), 401, 'mfa_code_invalid');
  expectProblem(await finishLogin(app, mfaToken, bob.recoveryCodes[0] ?? ''), 401, 'mfa_code_invalid');
});

test('goes with the account', async () => {
  const { app } = await buildTestApp();
  const { userId } = await registerWithSecondFactor(app);
  await sql('DELETE FROM users WHERE id = $1', [userId]);
  expect(await sql('SELECT user_id FROM second_factors WHERE user_id = $1', [userId])).toEqual([]);
  expect(await sql('SELECT user_id FROM recovery_codes WHERE user_id = $1', [userId])).toEqual([]);
});
