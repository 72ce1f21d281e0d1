import { expect, test } from 'vitest';
import { loadConfig } from '../../../src/config.js';
import { freshDatabaseUrl } from '../../support/database.js';
import { buildMailApp } from '../../support/mail-app.js';
import { EVENTUALLY } from '../../support/mail-server.js';
import { buildTestApp, register, testEnvironment } from '../../support/test-app.js';
import { expectProblem, post } from '../http/support.js';

const MEMORY = { ISSUER_URL: 'http://localhost:3000', COOKIE_SECURE: 'false' };

type MailboxEntry = { id: string; kind: string; to: string; subject: string; link: string | null; created_at: string };

test('shows mails in memory, newest first, in development alone', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const { app, logLines } = await buildMailApp({ url: 'memory:' }, { ...MEMORY, DOCS_ENABLED: 'true', DATABASE_URL });
  const mailbox = async () => (await app.inject('/dev/mailbox')).json().mails as MailboxEntry[];
  expect(await mailbox()).toEqual([]);
  const { email } = await register(app);
  await expect.poll(async () => (await mailbox()).length, EVENTUALLY).toBe(1);
  await post(app, '/v1/auth/password/forgot', { email });
  await expect.poll(async () => (await mailbox()).length, EVENTUALLY).toBe(2);
  const [reset, verify] = await mailbox();
  expect(Object.keys(reset ?? {}).sort()).toEqual(
    ['created_at', 'html', 'id', 'kind', 'link', 'subject', 'text', 'to'].sort(),
  );
  expect(reset).toMatchObject({ kind: 'reset_password', to: email, subject: 'Choose a new password for Example' });
  expect(verify).toMatchObject({ kind: 'verify_email', to: email });
  const token = new URLSearchParams(new URL(verify?.link ?? '').hash.slice(1)).get('token');
  expect((await post(app, '/v1/auth/email/verify', { token })).statusCode).toBe(204);

  expect(logLines().filter(({ event }) => event === 'mail_received')).toMatchObject([
    { kind: 'verify_email', to: email },
    { kind: 'reset_password', to: email },
  ]);
  expect(JSON.stringify(logLines())).not.toContain(token);
  expect(Object.keys(app.swagger().paths ?? {})).not.toContain('/dev/mailbox');
});

test('has no such address anywhere else', async () => {
  const { app } = await buildTestApp(MEMORY);
  expectProblem(await app.inject('/dev/mailbox'), 404, 'not_found');
  const mail = { SMTP_URL: 'memory:', MAIL_FROM: 'a@example.test', APP_URL: 'https://app.example.test' };
  const environment = await testEnvironment(mail);
  expect(() => loadConfig(environment)).toThrow(/SMTP_URL=memory/);
});
