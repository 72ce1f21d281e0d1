import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { findFreePort } from '../../../scripts/embedded-postgres.js';
import { sql } from '../../support/database.js';
import { buildMailApp, hurryMails, startMailApp } from '../../support/mail-app.js';
import { EVENTUALLY, SUBJECT, startMailServer, tokenOf } from '../../support/mail-server.js';
import { freshEmail, PASSWORD, register } from '../../support/test-app.js';
import { post } from '../http/support.js';

type OutboxRow = {
  id: string;
  kind: string;
  attempts: number;
  failed_at: Date | null;
  last_error: string | null;
  due: number;
};

const outboxOf = (recipient: string) =>
  sql<OutboxRow>(
    `SELECT *, extract(epoch FROM next_attempt_at - now())::float8 AS due FROM outbox_mails
     WHERE recipient = $1 ORDER BY created_at`,
    [recipient],
  );

test('delays a mail, and nobody, while the mail server is down: it goes out when the server is back, with a link that works', async () => {
  const { app, server } = await startMailApp();
  await server.stop();
  const startedAt = performance.now();
  const person = await register(app);
  expect((await post(app, '/v1/auth/password/forgot', { email: person.email })).statusCode).toBe(202);
  expect(performance.now() - startedAt).toBeLessThan(1_500);
  await expect
    .poll(async () => (await outboxOf(person.email)).map(({ last_error }) => last_error), EVENTUALLY)
    .toEqual(['the mail server could not be asked: ECONNREFUSED', 'the mail server could not be asked: ECONNREFUSED']);
  for (const { due, attempts } of await outboxOf(person.email)) {
    expect(attempts).toBe(1);
    expect(due).toBeGreaterThan(20);
    expect(due).toBeLessThan(40);
  }
  await server.start();
  await hurryMails(person.email);
  const token = tokenOf(await server.mailTo(person.email, SUBJECT.reset));
  const reset = await post(app, '/v1/auth/password/reset', { token, new_password: 'a quite different horse' });
  expect(reset.statusCode).toBe(204);
});

test('gives up a mail that the server will never take, says so, and sends the others', async () => {
  const refused = freshEmail();
  const server = await startMailServer({
    refuse: (recipient) =>
      recipient === refused ? { code: 550, message: `5.1.1 no such person: ${recipient}` } : undefined,
  });
  const { app, logLines } = await buildMailApp(server);
  await Promise.all([
    post(app, '/v1/auth/register', { email: refused, password: PASSWORD }),
    ...Array.from({ length: 4 }, async () => {
      const { email } = await register(app);
      await server.mailTo(email, SUBJECT.verify);
    }),
  ]);
  await expect.poll(async () => (await outboxOf(refused))[0]?.failed_at, EVENTUALLY).toBeInstanceOf(Date);
  const [dead] = await outboxOf(refused);
  expect(dead?.last_error).toBe('the mail server refused at RCPT TO: 550 5.1.1');
  const told = logLines().filter(({ event }) => event === 'mail_dead');
  expect(told).toMatchObject([{ level: 'error', mail_id: dead?.id, kind: 'verify_email' }]);
  expect(JSON.stringify(logLines())).not.toContain(refused);
});

test('tries again later what the server cannot take for the moment, or refuses the service itself', async () => {
  const server = await startMailServer({
    refuse: (recipient) => (recipient.startsWith('later') ? { code: 451, message: '4.7.1 greylisted' } : undefined),
  });
  const { app } = await buildMailApp(server);
  const email = `later-${freshEmail()}`;
  await post(app, '/v1/auth/register', { email, password: PASSWORD });
  await expect
    .poll(async () => (await outboxOf(email))[0]?.last_error, EVENTUALLY)
    .toBe('the mail server refused at RCPT TO: 451 4.7.1');
  const [row] = await outboxOf(email);
  expect(row).toMatchObject({ failed_at: null, attempts: 1 });
});

test('gives up a link that could not be sent for a day', async () => {
  const { app, server } = await startMailApp();
  await server.stop();
  const { email } = await register(app);
  await expect.poll(async () => (await outboxOf(email))[0]?.last_error, EVENTUALLY).not.toBeNull();
  await sql("UPDATE outbox_mails SET created_at = now() - interval '25 hours' WHERE recipient = $1", [email]);
  await hurryMails(email);
  await expect.poll(async () => (await outboxOf(email))[0]?.failed_at, EVENTUALLY).toBeInstanceOf(Date);
});

test('does not wait for ever for a server that accepts connections and says nothing, and holds up nobody meanwhile', async () => {
  const port = await findFreePort();
  const silent = createServer((socket) => socket.on('error', () => {}));
  await new Promise<void>((resolve) => silent.listen(port, '127.0.0.1', resolve));
  onTestFinished(() => void silent.close());
  const { app } = await buildMailApp({ url: `smtp://127.0.0.1:${port}` });
  const startedAt = performance.now();
  const { email } = await register(app);
  expect(performance.now() - startedAt).toBeLessThan(1_500);
  await expect
    .poll(async () => (await outboxOf(email))[0]?.last_error, { timeout: 9_000 })
    .toMatch(/could not be asked: ETIMEDOUT/);
});

test('goes on sending while one mail hangs', async () => {
  const slow = freshEmail();
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const server = await startMailServer({
    beforeTaking: (recipient) => (recipient === slow ? held : Promise.resolve()),
  });
  const { app } = await buildMailApp(server);
  await post(app, '/v1/auth/register', { email: slow, password: PASSWORD });
  const { email } = await register(app);
  await server.mailTo(email, SUBJECT.verify);
  expect(server.mails.map(({ to }) => to)).not.toContain(slow);
  release();
  await server.mailTo(slow, SUBJECT.verify);
});

test('sends each of 60 mails once when two instances send', async () => {
  const { app, server } = await startMailApp();
  const { app: other } = await buildMailApp(server);
  const emails = Array.from({ length: 60 }, freshEmail);
  await Promise.all(
    emails.map((email, index) => post(index % 2 ? app : other, '/v1/auth/register', { email, password: PASSWORD })),
  );
  for (const email of emails) await server.mailTo(email, SUBJECT.verify);
  await expect
    .poll(async () => (await sql('SELECT 1 FROM outbox_mails WHERE recipient = ANY($1)', [emails])).length, EVENTUALLY)
    .toBe(0);
  const sent = server.mails.map(({ to }) => to).filter((to) => emails.includes(to));
  expect(sent.sort()).toEqual([...emails].sort());
});

test('takes over a mail from an instance that died with it, when its lease is over', async () => {
  const { app, server } = await startMailApp();
  const { email } = await register(app);
  await server.mailTo(email, SUBJECT.verify);
  // As another instance left it: claimed once, and never heard of again.
  const due = (interval: string) =>
    sql(
      `INSERT INTO outbox_mails (id, kind, recipient, attempts, next_attempt_at)
       VALUES (gen_random_uuid(), 'reset_password', $1, 1, now() + $2::interval)`,
      [email, interval],
    );
  await due('2 minutes');
  await pause(300);
  expect(server.mails.filter(({ to, subject }) => to === email && SUBJECT.reset.test(subject))).toEqual([]);
  await hurryMails(email);
  await server.mailTo(email, SUBJECT.reset);
  await expect.poll(() => outboxOf(email), EVENTUALLY).toEqual([]);
});

test('finds a mail by asking when nobody told it', async () => {
  const { app, server } = await startMailApp();
  const { email } = await register(app);
  await server.mailTo(email, SUBJECT.verify);
  await sql(
    `INSERT INTO outbox_mails (id, kind, recipient, next_attempt_at)
     VALUES (gen_random_uuid(), 'reset_password', $1, now() + interval '1 second')`,
    [email],
  );
  await server.mailTo(email, SUBJECT.reset);
});

test('finishes the mail at hand when the instance stops, and sends none twice', async () => {
  let began = () => {};
  const beginning = new Promise<void>((resolve) => {
    began = resolve;
  });
  const server = await startMailServer({
    async beforeTaking() {
      began();
      await pause(400);
    },
  });
  const { app } = await buildMailApp(server);
  const { email } = await register(app);
  await beginning;
  await app.close();
  expect(server.mails.filter(({ to }) => to === email)).toHaveLength(1);
  expect(await outboxOf(email)).toEqual([]);
});

test('stops within bounds though a mail hangs, and leaves that to another instance', async () => {
  const server = await startMailServer({ beforeTaking: () => new Promise(() => {}) });
  const { app } = await buildMailApp(server);
  const { email } = await register(app);
  await expect.poll(async () => (await outboxOf(email))[0]?.attempts, EVENTUALLY).toBe(1);
  const startedAt = performance.now();
  await app.close();
  expect(performance.now() - startedAt).toBeLessThan(6_000);
  expect(await outboxOf(email)).toMatchObject([{ attempts: 1, failed_at: null }]);
});
