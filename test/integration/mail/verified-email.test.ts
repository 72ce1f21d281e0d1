import { expect, test } from 'vitest';
import { sql } from '../../support/database.js';
import { startMailApp } from '../../support/mail-app.js';
import { SUBJECT, tokenOf } from '../../support/mail-server.js';
import { buildTestApp, freshEmail, PASSWORD, register } from '../../support/test-app.js';
import { countUsers, expectProblem, post } from '../http/support.js';

const startApp = () => startMailApp({ REQUIRE_VERIFIED_EMAIL: 'true' });

test('lets nobody in before their address is verified: 202 at registering, 403 after the right password alone', async () => {
  const { app, server } = await startApp();
  const credentials = { email: freshEmail(), password: PASSWORD };
  const registered = await post(app, '/v1/auth/register', credentials);
  expect([registered.statusCode, registered.body, registered.cookies]).toEqual([202, '{}', []]);
  expectProblem(await post(app, '/v1/auth/login', credentials), 403, 'email_not_verified');
  const wrong = { ...credentials, password: 'not the password' };
  expectProblem(await post(app, '/v1/auth/login', wrong), 401, 'invalid_credentials');
  expect(
    await sql('SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = $1', [credentials.email]),
  ).toEqual([]);

  const token = tokenOf(await server.mailTo(credentials.email, SUBJECT.verify));
  expect((await post(app, '/v1/auth/email/verify', { token })).statusCode).toBe(204);
  expect((await post(app, '/v1/auth/login', credentials)).json().user.email_verified).toBe(true);
});

test('answers the same at registering whether or not the address is taken, and tells its owner', async () => {
  const { app, server } = await startApp();
  const email = freshEmail();
  const volatile = new Set(['date', 'x-request-id']);
  const answers = [];
  for (const password of [PASSWORD, 'somebody else’s password']) {
    const { statusCode, body, headers } = await post(app, '/v1/auth/register', { email, password });
    answers.push({ statusCode, body, headers: Object.entries(headers).filter(([name]) => !volatile.has(name)) });
  }
  expect(answers[0]).toEqual(answers[1]);
  expect(answers[0]?.statusCode).toBe(202);
  expect(await countUsers(email)).toBe(1);
  const mail = await server.mailTo(email, SUBJECT.already);
  expect(mail.link).toMatch(/#action=reset_password&token=/);
});

test('gives an address back to its owner when somebody else registered with it before: their password and sessions are dead', async () => {
  // The attacker was even let in, since verifying was not asked for then.
  const { app: before } = await buildTestApp();
  const attacker = await register(before);
  const { email } = attacker;
  const { app, server } = await startApp();
  expect((await post(app, '/v1/auth/register', { email, password: 'what the victim chose' })).statusCode).toBe(202);
  const token = tokenOf(await server.mailTo(email, SUBJECT.already));
  const password = 'what the victim chose then';
  expect((await post(app, '/v1/auth/password/reset', { token, new_password: password })).statusCode).toBe(204);

  expectProblem(await post(app, '/v1/auth/login', { email, password: PASSWORD }), 401, 'invalid_credentials');
  const refreshed = await app.inject({
    method: 'POST',
    url: '/v1/auth/refresh',
    headers: { cookie: `__Host-refresh_token=${attacker.refreshToken}` },
  });
  expectProblem(refreshed, 401, 'session_ended');
  expect((await post(app, '/v1/auth/login', { email, password })).json().user.email_verified).toBe(true);
});

test('lets a person in whose password was reset by mail: that proved the mailbox', async () => {
  const { app, server } = await startApp();
  const email = freshEmail();
  await post(app, '/v1/auth/register', { email, password: PASSWORD });
  await post(app, '/v1/auth/password/forgot', { email });
  const token = tokenOf(await server.mailTo(email, SUBJECT.reset));
  const password = 'a quite different horse';
  expect((await post(app, '/v1/auth/password/reset', { token, new_password: password })).statusCode).toBe(204);
  expect((await post(app, '/v1/auth/login', { email, password })).statusCode).toBe(200);
});
