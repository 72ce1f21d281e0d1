import { expect, test } from 'vitest';
import { sql } from '../../support/database.js';
import { APP_URL, buildMailApp, startMailApp } from '../../support/mail-app.js';
import { EVENTUALLY, SUBJECT, startMailServer, tokenOf } from '../../support/mail-server.js';
import { freshEmail, PASSWORD, register } from '../../support/test-app.js';
import { post } from '../http/support.js';

test('keeps tokens out of the database and the logs, whatever becomes of the mail', async () => {
  const { app, server, logLines } = await startMailApp({ LOG_LEVEL: 'trace' });
  const person = await register(app);
  await post(app, '/v1/auth/password/forgot', { email: person.email });
  const tokens = [
    tokenOf(await server.mailTo(person.email, SUBJECT.verify)),
    tokenOf(await server.mailTo(person.email, SUBJECT.reset)),
  ];
  for (const token of tokens) expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
  const tables = await sql<{ name: string }>(
    "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'",
  );
  expect(tables.length).toBeGreaterThan(8);
  const forms = tokens.flatMap((token) => [token, Buffer.from(token, 'base64url').toString('hex')]);
  for (const { name } of tables) {
    const [row] = await sql<{ text: string }>(`SELECT coalesce(string_agg(t::text, ' '), '') AS text FROM "${name}" t`);
    for (const form of forms) expect(row?.text.includes(form), name).toBe(false);
  }
  await post(app, '/v1/auth/email/verify', { token: tokens[0] });
  await post(app, '/v1/auth/password/reset', { token: tokens[1], new_password: PASSWORD });
  const logged = JSON.stringify(logLines());
  expect(logged).toContain('mail_sent');
  for (const secret of [...forms, person.email, PASSWORD]) expect(logged).not.toContain(secret);
});

test('logs no credentials of the mail server, nor keeps them with a mail', async () => {
  const server = await startMailServer();
  const url = new URL(server.url);
  url.username = 'mailer';
  url.password = 'canary-smtp-password';
  const { app, logLines } = await buildMailApp({ url: url.href }, { LOG_LEVEL: 'trace' });
  const { email } = await register(app);
  const fault = async () =>
    (await sql<{ last_error: string }>('SELECT last_error FROM outbox_mails WHERE recipient = $1', [email]))[0]
      ?.last_error;
  // It offers no TLS, and so is not given the password.
  await expect
    .poll(fault, EVENTUALLY)
    .toMatch(/^the mail server could not be asked: E|^the mail server refused at STARTTLS/);
  expect(JSON.stringify(logLines()) + (await fault())).not.toContain('canary');
});

test.each([
  ['host', { host: 'evil.example' }],
  ['x-forwarded-host', { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http' }],
  ['forwarded', { forwarded: 'host=evil.example;proto=http' }],
  ['x-original-url', { 'x-original-url': 'https://evil.example/', 'x-rewrite-url': 'https://evil.example/' }],
  ['origin of a page', { referer: 'https://evil.example/' }],
])('leads to APP_URL alone, whatever %s says, with the token in the fragment', async (_name, headers) => {
  const { app, server } = await startMailApp({ TRUSTED_PROXIES: '127.0.0.1' });
  const { email } = await register(app);
  await post(app, '/v1/auth/password/forgot', { email }, { headers });
  const { link, text, html } = await server.mailTo(email, SUBJECT.reset);
  expect(text + html).not.toContain('evil');
  const { origin, pathname, search, hash } = new URL(link);
  expect(origin + pathname).toBe(APP_URL);
  expect(search).toBe('');
  expect(hash).toMatch(/^#action=reset_password&token=[A-Za-z0-9_-]{43}$/);
});

test('keeps headers apart from what people send: line breaks, lists of addresses and markup', async () => {
  const { app, server } = await startMailApp();
  for (const email of [
    'ada@example.test\r\nBcc: eve@example.test',
    'ada@example.test,eve@example.test',
    '"ada, eve"@example.test',
    'Ada <ada@example.test>',
    'ada@example.test\0',
  ]) {
    const { statusCode } = await post(app, '/v1/auth/password/forgot', { email });
    expect([400, 422]).toContain(statusCode);
  }
  const email = `o'brien&co+{x}=1-${freshEmail()}`;
  const headers = { 'user-agent': '<b>bold</b> https://evil.example/ "\'' };
  await post(app, '/v1/auth/register', { email, password: PASSWORD }, { headers });
  const { parsed } = await server.mailTo(email, SUBJECT.verify);
  expect(parsed.headers.get('bcc')).toBeUndefined();
  expect(parsed.headers.get('auto-submitted')).toBe('auto-generated');
  await post(app, '/v1/auth/password/forgot', { email }, { headers });
  const token = tokenOf(await server.mailTo(email, SUBJECT.reset));
  await post(app, '/v1/auth/password/reset', { token, new_password: 'a quite different horse' }, { headers });
  const notice = await server.mailTo(email, SUBJECT.passwordChanged);
  for (const trace of ['<b>', 'https://evil', 'evil.example']) expect(notice.html + notice.text).not.toContain(trace);
});
