import type { FastifyInstance } from 'fastify';
import { expect, test } from 'vitest';
import { sql } from '../../support/database.js';
import { APP_URL, buildMailApp, forgetPauses, hurryMails, startMailApp } from '../../support/mail-app.js';
import { EVENTUALLY, SUBJECT, tokenOf } from '../../support/mail-server.js';
import { freshEmail, getMe, logIn, PASSWORD, refresh, register, type SignedIn } from '../../support/test-app.js';
import { bearer, expectProblem, post } from '../http/support.js';

const VERIFY = '/v1/auth/email/verify';
const RESEND = '/v1/auth/email/resend';
const CONFIRM = '/v1/auth/email/change/confirm';

function requestChange(app: FastifyInstance, { accessToken }: SignedIn, newEmail: string, password = PASSWORD) {
  return post(app, '/v1/auth/email/change', { new_email: newEmail, password }, { headers: bearer(accessToken) });
}

const eventsOf = async (userId: string) =>
  (await sql<{ type: string }>('SELECT type FROM events WHERE user_id = $1 ORDER BY created_at, id', [userId])).map(
    ({ type }) => type,
  );

test('verifies an address by the link that registering mails to it, once', async () => {
  const { app, server } = await startMailApp();
  const person = await register(app);
  const mail = await server.mailTo(person.email, SUBJECT.verify);
  expect(mail.from).toBe('"Example" <no-reply@example.test>');
  expect(mail.link).toBe(`${APP_URL}#action=verify_email&token=${tokenOf(mail)}`);
  expect(mail.html).toContain(`href="${mail.link.replace('&', '&amp;')}"`);
  const verified = await post(app, VERIFY, { token: tokenOf(mail) });
  expect([verified.statusCode, verified.body]).toEqual([204, '']);
  expect((await getMe(app, person.accessToken)).json().email_verified).toBe(true);
  expect(await eventsOf(person.userId)).toEqual(['register', 'login', 'email_verified']);
  expectProblem(await post(app, VERIFY, { token: tokenOf(mail) }), 400, 'token_invalid_or_expired');
});

test('mails the link to verify once more, which makes the older one void, and none when nothing is left to verify', async () => {
  const { app, server } = await startMailApp();
  const { email } = await register(app);
  const first = tokenOf(await server.mailTo(email, SUBJECT.verify));
  await forgetPauses(email);
  expect((await post(app, RESEND, { email: ` ${email.toUpperCase()} ` })).statusCode).toBe(202);
  const second = tokenOf(await server.mailTo(email, SUBJECT.verify, 2));
  expectProblem(await post(app, VERIFY, { token: first }), 400, 'token_invalid_or_expired');
  expect((await post(app, VERIFY, { token: second })).statusCode).toBe(204);
  expect((await post(app, RESEND, { email })).statusCode).toBe(202);
  await expect.poll(() => sql('SELECT 1 FROM outbox_mails WHERE recipient = $1', [email]), EVENTUALLY).toEqual([]);
  expect(server.mails.filter(({ to }) => to === email)).toHaveLength(2);
});

test('verifies once of 30 who open the same link at once', async () => {
  const { app, server } = await startMailApp();
  const person = await register(app);
  const token = tokenOf(await server.mailTo(person.email, SUBJECT.verify));
  const answers = await Promise.all(Array.from({ length: 30 }, () => post(app, VERIFY, { token })));
  expect(answers.filter(({ statusCode }) => statusCode === 204)).toHaveLength(1);
  expect((await eventsOf(person.userId)).filter((type) => type === 'email_verified')).toHaveLength(1);
});

test('changes an address when the new one has confirmed it: the session goes on, the old address is told, other links are void', async () => {
  const { app, server } = await startMailApp();
  const person = await register(app);
  const verification = tokenOf(await server.mailTo(person.email, SUBJECT.verify));
  const newEmail = freshEmail();
  const asked = await requestChange(app, person, newEmail);
  expect([asked.statusCode, asked.body]).toEqual([202, '{}']);
  const mail = await server.mailTo(newEmail, SUBJECT.change);
  expect(mail.link).toBe(`${APP_URL}#action=change_email&token=${tokenOf(mail)}`);
  // To a mailbox that may be a stranger's: nothing of the account.
  expect(mail.text + mail.html).not.toContain(person.email);
  expect((await getMe(app, person.accessToken)).json().email).toBe(person.email);

  expect((await post(app, CONFIRM, { token: tokenOf(mail) })).statusCode).toBe(204);
  expect((await getMe(app, person.accessToken)).json()).toMatchObject({ email: newEmail, email_verified: true });
  expect((await refresh(app, person.refreshToken)).statusCode).toBe(200);
  expect((await logIn(app, newEmail)).userId).toBe(person.userId);
  const old = await post(app, '/v1/auth/login', { email: person.email, password: PASSWORD });
  expectProblem(old, 401, 'invalid_credentials');
  const notice = await server.mailTo(person.email, SUBJECT.emailChanged);
  expect(notice.text).not.toContain(newEmail);
  expectProblem(await post(app, VERIFY, { token: verification }), 400, 'token_invalid_or_expired');
  expectProblem(await post(app, CONFIRM, { token: tokenOf(mail) }), 400, 'token_invalid_or_expired');
  expect(await eventsOf(person.userId)).toEqual([
    'register',
    'login',
    'email_change_requested',
    'email_changed',
    'login',
  ]);
  const [{ details } = { details: '' }] = await sql<{ details: string }>(
    "SELECT json_agg(details)::text AS details FROM events WHERE user_id = $1 AND type LIKE 'email%'",
    [person.userId],
  );
  expect(details).not.toContain('@');
});

test('asks for the password, a recent sign-in and an address that is another one', async () => {
  const { app } = await startMailApp();
  const person = await register(app);
  expectProblem(await requestChange(app, person, freshEmail(), 'wrong password'), 401, 'invalid_credentials');
  const same = expectProblem(await requestChange(app, person, person.email), 422, 'validation_failed');
  expect(same.errors?.[0]?.path).toBe('/new_email');
  expectProblem(await requestChange(app, person, 'no address'), 422, 'validation_failed');
  const wish = { new_email: freshEmail(), password: PASSWORD };
  expectProblem(await post(app, '/v1/auth/email/change', wish), 401, 'access_token_missing');
  await sql("UPDATE sessions SET authenticated_at = now() - interval '1 hour' WHERE id = $1", [person.sessionId]);
  const { access_token: accessToken } = (await refresh(app, person.refreshToken)).json();
  const stale = await requestChange(app, { ...person, accessToken }, freshEmail());
  expectProblem(stale, 401, 'insufficient_user_authentication');
  expect(await sql("SELECT 1 FROM outbox_mails WHERE kind = 'change_email' AND user_id = $1", [person.userId])).toEqual(
    [],
  );
});

test('answers the same when the new address is taken, and mails nobody', async () => {
  const { app, server } = await startMailApp();
  const [person, owner] = [await register(app), await register(app)];
  const [taken, free] = [await requestChange(app, person, owner.email), await requestChange(app, person, freshEmail())];
  expect([taken.statusCode, taken.body]).toEqual([free.statusCode, free.body]);
  await expect
    .poll(() => sql('SELECT 1 FROM outbox_mails WHERE user_id = $1', [person.userId]), EVENTUALLY)
    .toEqual([]);
  expect(server.mails.filter(({ to, subject }) => to === owner.email && SUBJECT.change.test(subject))).toEqual([]);
});

test('answers 409 when somebody else took the new address meanwhile', async () => {
  const { app, server } = await startMailApp();
  const person = await register(app);
  const wanted = freshEmail();
  await requestChange(app, person, wanted);
  const token = tokenOf(await server.mailTo(wanted, SUBJECT.change));
  await post(app, '/v1/auth/register', { email: wanted, password: PASSWORD });
  expectProblem(await post(app, CONFIRM, { token }), 409, 'email_taken');
  expect((await getMe(app, person.accessToken)).json().email).toBe(person.email);
});

test('gives an address that two people confirm at once to one of them, in 20 rounds on two instances', async () => {
  const { app, server } = await startMailApp();
  const { app: other } = await buildMailApp(server);
  const people = [await register(app), await register(app)];
  for (let round = 0; round < 20; round += 1) {
    const wanted = freshEmail();
    const tokens = [];
    for (const [index, person] of people.entries()) {
      await requestChange(app, person, wanted);
      tokens.push(tokenOf(await server.mailTo(wanted, SUBJECT.change, index + 1)));
      await forgetPauses((await getMe(app, person.accessToken)).json().email);
    }
    const answers = await Promise.all(tokens.map((token, index) => post(index ? app : other, CONFIRM, { token })));
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([204, 409]);
  }
});

test('makes an older wish for another address void, one that has arrived as well as one that waits', async () => {
  const { app, server } = await startMailApp();
  const person = await register(app);
  const [first, second, third] = [freshEmail(), freshEmail(), freshEmail()];
  await requestChange(app, person, first);
  const arrived = tokenOf(await server.mailTo(first, SUBJECT.change));
  await server.stop();
  await requestChange(app, person, second);
  expectProblem(await post(app, CONFIRM, { token: arrived }), 400, 'token_invalid_or_expired');
  await expect
    .poll(
      () => sql<{ last_error: string | null }>('SELECT last_error FROM outbox_mails WHERE recipient = $1', [second]),
      EVENTUALLY,
    )
    .toMatchObject([{ last_error: expect.any(String) }]);
  await requestChange(app, person, third);
  expect(await sql('SELECT 1 FROM outbox_mails WHERE recipient = $1', [second])).toEqual([]);
  await server.start();
  await hurryMails(third);
  const token = tokenOf(await server.mailTo(third, SUBJECT.change));
  expect((await post(app, CONFIRM, { token })).statusCode).toBe(204);
  expect(server.mails.filter(({ to }) => to === second)).toEqual([]);
});

test('refuses a reset link that went to an address which the account has no more', async () => {
  const { app, server } = await startMailApp();
  const person = await register(app);
  await post(app, '/v1/auth/password/forgot', { email: person.email });
  const token = tokenOf(await server.mailTo(person.email, SUBJECT.reset));
  // Past the service, which would have made it void.
  await sql('UPDATE users SET email = $2 WHERE id = $1', [person.userId, freshEmail()]);
  const reset = await post(app, '/v1/auth/password/reset', { token, new_password: 'a quite different horse' });
  expectProblem(reset, 400, 'token_invalid_or_expired');
});

test('tells the owner of a session that was ended for reuse', async () => {
  const { app, server } = await startMailApp({ REFRESH_GRACE_SECONDS: '0', REFRESH_RECOVERY_SECONDS: '0' });
  const person = await register(app);
  await refresh(app, person.refreshToken);
  const thief = { headers: { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0' } };
  expectProblem(await refresh(app, person.refreshToken, thief), 401, 'refresh_token_reused');
  const notice = await server.mailTo(person.email, SUBJECT.reuse);
  expect(notice.text).toContain('Device: Firefox on Linux');
  expect(notice.text).toContain('Network address: 127.0.0.1');
});
