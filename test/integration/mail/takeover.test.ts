import { expect, test } from 'vitest';
import { bearer, changePassword } from '../../support/accounts.js';
import { sql } from '../../support/database.js';
import { buildMailApp, forgetPauses, hurryMails, startMailApp } from '../../support/mail-app.js';
import { EVENTUALLY, SUBJECT, startMailServer, tokenOf } from '../../support/mail-server.js';
import { asPerson, beginLogin, enrol, finishLogin, wrongCode } from '../../support/second-factor.js';
import { freshEmail, PASSWORD, register } from '../../support/test-app.js';
import { expectProblem, post } from '../http/support.js';

const NEW_PASSWORD = 'a quite different horse';

async function resetPassword(
  { app, server }: Awaited<ReturnType<typeof startMailApp>>,
  email: string,
  count = 1,
): Promise<void> {
  await post(app, '/v1/auth/password/forgot', { email });
  const token = tokenOf(await server.mailTo(email, SUBJECT.reset, count));
  const answer = await post(app, '/v1/auth/password/reset', { token, new_password: NEW_PASSWORD });
  expect(answer.statusCode).toBe(204);
}

test.each(['a reset', 'a change'])(
  '%s of the password takes back a wish for another address that has not gone out yet',
  async (what) => {
    const target = freshEmail();
    let isDown = true;
    const server = await startMailServer({
      refuse: (recipient) => (recipient === target && isDown ? { code: 450, message: 'not now' } : undefined),
    });
    const { app } = await buildMailApp(server);
    const person = await register(app);
    const wish = { method: 'POST', url: '/v1/auth/email/change', headers: bearer(person.accessToken) } as const;
    const asked = await app.inject({ ...wish, payload: { new_email: target, password: PASSWORD } });
    expect(asked.statusCode).toBe(202);
    const waiting = () => sql('SELECT last_error FROM outbox_mails WHERE recipient = $1', [target]);
    await expect.poll(async () => (await waiting())[0]?.last_error, EVENTUALLY).toBeTruthy();

    if (what === 'a reset') await resetPassword({ app, server, logLines: () => [], logText: () => '' }, person.email);
    else expect((await changePassword(app, person.accessToken)).statusCode).toBe(200);
    isDown = false;
    await hurryMails(target);
    expect(await waiting()).toEqual([]);
    expect(server.mails.filter(({ to }) => to === target)).toEqual([]);
  },
);

test('a reset of the password gives whoever reads the mail no new guesses at the second factor', async () => {
  const mail = await startMailApp();
  const person = await enrol(mail.app, await register(mail.app));
  await post(mail.app, '/v1/auth/email/verify', {
    token: tokenOf(await mail.server.mailTo(person.email, SUBJECT.verify)),
  });
  await resetPassword(mail, person.email);
  let statuses: number[] = [];
  for (let round = 1; round <= 2; round += 1) {
    const mfaToken = await beginLogin(mail.app, person.email, { password: NEW_PASSWORD });
    const guess = async () => (await finishLogin(mail.app, mfaToken, wrongCode(person.secret))).statusCode;
    for (let attempt = 0; attempt < 6; attempt += 1) statuses = [...statuses, await guess()];
    await forgetPauses(person.email);
    await resetPassword(mail, person.email, round + 1);
  }
  expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(6);
  expect(statuses.slice(6)).toContain(429);
});

test('a reset that first shows whose address it is removes the second factor of whoever registered it before', async () => {
  const mail = await startMailApp();
  const thief = await enrol(mail.app, await register(mail.app));
  await resetPassword(mail, thief.email);
  const login = await post(mail.app, '/v1/auth/login', { email: thief.email, password: NEW_PASSWORD });
  expect(login.json()).toMatchObject({ token_type: 'Bearer', user: { email: thief.email, email_verified: true } });
  const status = await asPerson(mail.app, { accessToken: login.json().access_token }, 'GET', '/v1/me/second-factor');
  expect(status.json()).toMatchObject({ enabled: false });
});

test('a reset keeps the second factor of an account whose address was shown before', async () => {
  const mail = await startMailApp();
  const person = await enrol(mail.app, await register(mail.app));
  await post(mail.app, '/v1/auth/email/verify', {
    token: tokenOf(await mail.server.mailTo(person.email, SUBJECT.verify)),
  });
  await resetPassword(mail, person.email);
  const login = await post(mail.app, '/v1/auth/login', { email: person.email, password: NEW_PASSWORD });
  expect(login.json()).toMatchObject({ mfa_required: true });
});

test('tells nobody by their export whether an address that they wish for has an account', async () => {
  const { app, server } = await startMailApp();
  const [person, other] = [await register(app), await register(app)];
  const purposes: string[][] = [];
  for (const newEmail of [freshEmail(), other.email]) {
    const headers = bearer(person.accessToken);
    await app.inject({
      method: 'POST',
      url: '/v1/auth/email/change',
      headers,
      payload: { new_email: newEmail, password: PASSWORD },
    });
    const left = () => sql('SELECT 1 FROM outbox_mails WHERE recipient = $1', [newEmail]);
    await expect.poll(left, EVENTUALLY).toEqual([]);
    const document = (await app.inject({ url: '/v1/me/export', headers })).json();
    purposes.push(document.one_time_tokens.map(({ purpose }: { purpose: string }) => purpose));
  }
  expect(purposes[1]).toEqual(purposes[0]);
  expect(server.mails.filter(({ to, subject }) => to === other.email && !SUBJECT.verify.test(subject))).toEqual([]);
});

test('buries nobody in mails: after ten of a kind to one address the next ones are dropped', async () => {
  const { app, server } = await startMailApp();
  let { accessToken } = await register(app);
  const person = (await app.inject({ url: '/v1/me', headers: bearer(accessToken) })).json();
  const passwords = [PASSWORD, NEW_PASSWORD];
  for (let change = 0; change < 14; change += 1) {
    const [from = '', to = ''] = change % 2 ? passwords.toReversed() : passwords;
    accessToken = (await changePassword(app, accessToken, { from, to })).json().access_token;
  }
  const left = () => sql('SELECT 1 FROM outbox_mails WHERE recipient = $1', [person.email]);
  await expect.poll(left, EVENTUALLY).toEqual([]);
  const notices = server.mails.filter(
    ({ to, subject }) => to === person.email && SUBJECT.passwordChanged.test(subject),
  );
  expect(notices.length).toBeGreaterThanOrEqual(9);
  expect(notices.length).toBeLessThanOrEqual(11);
});

test('leaves the notice of another account alone when somebody leaves who has its former address', async () => {
  const { app } = await startMailApp();
  const leaver = await register(app);
  const waits = `INSERT INTO outbox_mails (id, kind, recipient, user_id, next_attempt_at)
    VALUES (gen_random_uuid(), 'email_changed', $1, gen_random_uuid(), now() + interval '1 hour')`;
  await sql(waits, [leaver.email]);
  const headers = bearer(leaver.accessToken);
  expect(
    (await app.inject({ method: 'DELETE', url: '/v1/me', headers, payload: { password: PASSWORD } })).statusCode,
  ).toBe(204);
  expect(
    await sql("SELECT 1 FROM outbox_mails WHERE recipient = $1 AND kind = 'email_changed'", [leaver.email]),
  ).toHaveLength(1);
  expectProblem(await app.inject({ url: '/v1/me', headers }), 401, 'session_ended');
});
