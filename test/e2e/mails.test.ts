import { expect, test } from 'vitest';
import { freshDatabaseUrl } from '../support/database.js';
import { EVENTUALLY, startMailServer } from '../support/mail-server.js';
import { run, waitForOutput } from '../support/processes.js';
import { freshEmail, PASSWORD, testEnvironment } from '../support/test-app.js';

type Listed = {
  waiting: number;
  dead: number;
  mails: { id: string; kind: string; recipient: string; last_error: string }[];
};

test('lists mails that were given up, and has the running service send them again', async () => {
  const email = freshEmail();
  let refusing = true;
  const server = await startMailServer({
    refuse: (recipient) => (refusing ? { code: 550, message: `5.7.1 not for ${recipient}` } : undefined),
  });
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const mail = { SMTP_URL: server.url, MAIL_FROM: 'no-reply@example.test', APP_URL: 'https://app.example.test' };
  const service = run('src/server.ts', [], await testEnvironment({ DATABASE_URL, PORT: '0', ...mail }));
  const [, url = ''] = await waitForOutput(service, /Server listening at (http:[^"]+)/);
  const mails = async (...args: string[]) => {
    const command = run('src/cli.ts', ['mails', ...args], { DATABASE_URL });
    return { code: await command.exit, output: command.output() };
  };
  const listed = async () => JSON.parse((await mails('list', '--json')).output) as Listed;

  await fetch(`${url}/v1/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password: PASSWORD }),
  });
  await waitForOutput(service, /"mail_dead"/);
  const before = await listed();
  expect(before).toMatchObject({ waiting: 0, dead: 1, mails: [{ kind: 'verify_email', recipient: email }] });
  expect(before.mails[0]?.last_error).toBe('the mail server refused at RCPT TO: 550 5.7.1');
  const { output } = await mails('list');
  expect(output).toContain('0 waiting, 1 given up.');
  expect(output).toContain(`verify_email to ${email}`);

  const [{ id } = { id: '' }] = before.mails;
  expect(await mails('retry')).toMatchObject({ code: 2, output: expect.stringContaining('needs one id, or --all') });
  refusing = false;
  expect(await mails('retry', id)).toMatchObject({ code: 0, output: '1 mail waits to be sent again.\n' });
  await server.mailTo(email, /^Confirm your address/);
  await expect.poll(listed, EVENTUALLY).toEqual({ waiting: 0, dead: 0, mails: [] });
});
