import { sql } from './database.js';
import { type MailServer, startMailServer } from './mail-server.js';
import { buildTestApp, type TestApp } from './test-app.js';

export const APP_URL = 'https://app.example.test/account';

/** A test app that sends mail. */
export async function buildMailApp(
  server: Pick<MailServer, 'url'>,
  environment: NodeJS.ProcessEnv = {},
): Promise<TestApp> {
  const built = await buildTestApp({
    SMTP_URL: server.url,
    MAIL_FROM: 'Example <no-reply@example.test>',
    APP_URL,
    SERVICE_NAME: 'Example',
    ...environment,
  });
  await built.app.ready();
  return built;
}

export async function startMailApp(environment: NodeJS.ProcessEnv = {}): Promise<TestApp & { server: MailServer }> {
  const server = await startMailServer();
  return { ...(await buildMailApp(server, environment)), server };
}

/** Lets a person have the next mail of any kind now, as if the last one had been long ago. */
export async function forgetPauses(email: string): Promise<void> {
  await sql(
    `UPDATE one_time_tokens SET created_at = created_at - interval '3 hours'
     WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
    [email],
  );
}

/** Makes the mails that wait for an address due now, and wakes whoever sends. */
export async function hurryMails(recipient: string): Promise<void> {
  await sql('UPDATE outbox_mails SET next_attempt_at = now() WHERE failed_at IS NULL AND recipient = $1', [recipient]);
  await sql("SELECT pg_notify('gatehouse_mail', '')");
}
