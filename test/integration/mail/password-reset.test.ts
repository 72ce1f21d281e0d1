import { expect, test } from 'vitest';
import { sql } from '../../support/database.js';
import { forgetPauses, startMailApp } from '../../support/mail-app.js';
import { EVENTUALLY, SUBJECT, tokenOf } from '../../support/mail-server.js';
import { buildTestApp, freshEmail, getMe, logIn, PASSWORD, refresh, register } from '../../support/test-app.js';
import { expectProblem, post } from '../http/support.js';

const NEW_PASSWORD = 'a quite different horse';
const FORGOT = '/v1/auth/password/forgot';
const RESET = '/v1/auth/password/reset';

test('resets a password by mail: every session ends, the old password is dead, the address counts as verified, a notice goes out', async () => {
  const { app, server } = await startMailApp();
  const person = await register(app);
  const other = await logIn(app, person.email);
  const asked = await post(app, FORGOT, { email: person.email });
  expect([asked.statusCode, asked.body]).toEqual([202, '{}']);
  const mail = await server.mailTo(person.email, SUBJECT.reset);
  expect(mail.subject).toBe('Choose a new password for Example');

  const reset = await post(app, RESET, { token: tokenOf(mail), new_password: NEW_PASSWORD });
  expect([reset.statusCode, reset.body]).toEqual([204, '']);
  expect(reset.cookies).toEqual([]);
  for (const { accessToken, refreshToken } of [person, other]) {
    expectProblem(await getMe(app, accessToken), 401, 'session_ended');
    const refused = expectProblem(await refresh(app, refreshToken), 401, 'session_ended');
    expect(refused.reason).toBe('password_reset');
  }
  const old = await post(app, '/v1/auth/login', { email: person.email, password: PASSWORD });
  expectProblem(old, 401, 'invalid_credentials');
  const login = await post(app, '/v1/auth/login', { email: person.email, password: NEW_PASSWORD });
  expect(login.json().user.email_verified).toBe(true);

  const notice = await server.mailTo(person.email, SUBJECT.passwordChanged);
  expect(notice.subject).toBe('Your password for Example was changed');
  const events = await sql<{ type: string }>('SELECT type FROM events WHERE user_id = $1 ORDER BY created_at, id', [
    person.userId,
  ]);
  expect(events.map(({ type }) => type).sort()).toEqual(
    [
      'register',
      'login',
      'login',
      'password_reset',
      'email_verified',
      'session_ended',
      'session_ended',
      'login_failed',
      'login',
    ].sort(),
  );
});

test('takes a reset token once, and refuses what is none', async () => {
  const { app, server } = await startMailApp();
  const person = await register(app);
  await post(app, FORGOT, { email: person.email });
  const token = tokenOf(await server.mailTo(person.email, SUBJECT.reset));
  const spent = { token, new_password: NEW_PASSWORD };
  expect((await post(app, RESET, spent)).statusCode).toBe(204);
  expectProblem(await post(app, RESET, spent), 400, 'token_invalid_or_expired');
  for (const none of ['x', `${token}A`, token.slice(1), 'A'.repeat(43), 'ä'.repeat(43)]) {
    expectProblem(await post(app, RESET, { ...spent, token: none }), 400, 'token_invalid_or_expired');
  }
  for (const bad of [
    {},
    { token },
    { ...spent, more: 1 },
    { ...spent, token: { not: '' } },
    { ...spent, token: 'A'.repeat(129) },
  ]) {
    expectProblem(await post(app, RESET, bad), 422, 'validation_failed');
  }
});

test('leaves a reset token alone when the new password is rejected', async () => {
  const { app, server } = await startMailApp();
  const person = await register(app);
  await post(app, FORGOT, { email: person.email });
  const token = tokenOf(await server.mailTo(person.email, SUBJECT.reset));
  const rejected = expectProblem(await post(app, RESET, { token, new_password: 'short' }), 422, 'password_rejected');
  expect(rejected.errors?.[0]?.path).toBe('/new_password');
  expect((await post(app, RESET, { token, new_password: NEW_PASSWORD })).statusCode).toBe(204);
});

test('refuses a token that is an hour old, and one that a newer one replaced', async () => {
  const { app, server } = await startMailApp();
  const person = await register(app);
  await post(app, FORGOT, { email: person.email });
  const first = tokenOf(await server.mailTo(person.email, SUBJECT.reset));
  await forgetPauses(person.email);
  await post(app, FORGOT, { email: person.email });
  const second = tokenOf(await server.mailTo(person.email, SUBJECT.reset, 2));
  expectProblem(await post(app, RESET, { token: first, new_password: NEW_PASSWORD }), 400, 'token_invalid_or_expired');
  const [row] = await sql<{ seconds: number }>(
    `SELECT extract(epoch FROM expires_at - now())::int AS seconds FROM one_time_tokens
     WHERE user_id = $1 AND purpose = 'reset_password'`,
    [person.userId],
  );
  expect(row?.seconds).toBeGreaterThan(3_590);
  expect(row?.seconds).toBeLessThanOrEqual(3_600);
  await sql('UPDATE one_time_tokens SET expires_at = now() WHERE user_id = $1', [person.userId]);
  expectProblem(await post(app, RESET, { token: second, new_password: NEW_PASSWORD }), 400, 'token_invalid_or_expired');
});

test('binds a token to its purpose', async () => {
  const { app, server } = await startMailApp();
  const person = await register(app);
  const verification = tokenOf(await server.mailTo(person.email, SUBJECT.verify));
  expectProblem(
    await post(app, RESET, { token: verification, new_password: NEW_PASSWORD }),
    400,
    'token_invalid_or_expired',
  );
  await post(app, FORGOT, { email: person.email });
  const reset = tokenOf(await server.mailTo(person.email, SUBJECT.reset));
  for (const url of ['/v1/auth/email/verify', '/v1/auth/email/change/confirm']) {
    expectProblem(await post(app, url, { token: reset }), 400, 'token_invalid_or_expired');
  }
  expect((await post(app, '/v1/auth/email/verify', { token: verification })).statusCode).toBe(204);
});

test('makes every other link of a person void when the password is reset', async () => {
  const { app, server } = await startMailApp();
  const person = await register(app);
  const verification = tokenOf(await server.mailTo(person.email, SUBJECT.verify));
  await post(app, FORGOT, { email: person.email });
  const reset = tokenOf(await server.mailTo(person.email, SUBJECT.reset));
  expect((await post(app, RESET, { token: reset, new_password: NEW_PASSWORD })).statusCode).toBe(204);
  expectProblem(await post(app, '/v1/auth/email/verify', { token: verification }), 400, 'token_invalid_or_expired');
});

test('opens no link by GET, as scanners of mails do', async () => {
  const { app, server } = await startMailApp();
  const person = await register(app);
  const token = tokenOf(await server.mailTo(person.email, SUBJECT.verify));
  for (const url of ['/v1/auth/email/verify', RESET]) {
    expectProblem(await app.inject(`${url}?token=${token}`), 405, 'method_not_allowed');
  }
  expect((await post(app, '/v1/auth/email/verify', { token })).statusCode).toBe(204);
});

test('answers the same for an address without an account, to which no mail goes', async () => {
  const { app, server } = await startMailApp();
  const person = await register(app);
  const nobody = freshEmail();
  const volatile = new Set(['date', 'x-request-id']);
  const answers = [];
  for (const [url, email] of [
    [FORGOT, person.email],
    [FORGOT, nobody],
    ['/v1/auth/email/resend', person.email],
    ['/v1/auth/email/resend', nobody],
  ] as const) {
    const { statusCode, body, headers } = await post(app, url, { email });
    answers.push({ statusCode, body, headers: Object.entries(headers).filter(([name]) => !volatile.has(name)) });
  }
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  await server.mailTo(person.email, SUBJECT.reset);
  await expect
    .poll(() => sql('SELECT 1 FROM outbox_mails WHERE recipient = ANY($1)', [[nobody, person.email]]), EVENTUALLY)
    .toEqual([]);
  expect(server.mails.filter(({ to }) => to === nobody)).toEqual([]);
  expectProblem(await post(app, FORGOT, { email: 'no address' }), 422, 'validation_failed');
});

test('sends an address no more than one link of a kind a minute, and half a dozen an hour', async () => {
  const { app, server } = await startMailApp();
  const person = await register(app);
  await server.mailTo(person.email, SUBJECT.verify);
  const ask = async (minutesLater: number) => {
    await sql(`UPDATE one_time_tokens SET created_at = created_at - make_interval(mins => $2) WHERE user_id = $1`, [
      person.userId,
      minutesLater,
    ]);
    await Promise.all(Array.from({ length: 5 }, () => post(app, FORGOT, { email: person.email })));
    await expect
      .poll(() => sql('SELECT 1 FROM outbox_mails WHERE recipient = $1', [person.email]), EVENTUALLY)
      .toEqual([]);
  };
  const counts: number[] = [];
  for (const minutesLater of [0, 1, 1, 1, 1, ...Array(14).fill(4)]) {
    await ask(minutesLater);
    counts.push(server.mails.filter(({ to, subject }) => to === person.email && SUBJECT.reset.test(subject)).length);
  }
  expect(counts.slice(0, 5)).toEqual([1, 2, 2, 3, 3]);
  expect(counts.at(-1)).toBe(6);
});

test('answers 501 where no mail is configured, and knows no token', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  for (const url of [FORGOT, '/v1/auth/email/resend']) {
    expectProblem(await post(app, url, { email: person.email }), 501, 'mail_not_configured');
  }
  const change = await app.inject({
    method: 'POST',
    url: '/v1/auth/email/change',
    headers: { authorization: `Bearer ${person.accessToken}` },
    payload: { new_email: freshEmail(), password: PASSWORD },
  });
  expectProblem(change, 501, 'mail_not_configured');
  const token = 'A'.repeat(43);
  expectProblem(await post(app, RESET, { token, new_password: NEW_PASSWORD }), 400, 'token_invalid_or_expired');
  for (const url of ['/v1/auth/email/verify', '/v1/auth/email/change/confirm']) {
    expectProblem(await post(app, url, { token }), 400, 'token_invalid_or_expired');
  }
  expect(await sql('SELECT 1 FROM outbox_mails WHERE recipient = $1', [person.email])).toEqual([]);
});
