import { expect, test } from 'vitest';
import { failuresOf, pretendFailures, subjectOf } from '../support/attempts.js';
import { sql, testDatabaseUrl } from '../support/database.js';
import { run } from '../support/processes.js';
import { buildTestApp, freshEmail, logIn, register, TEST_SECRET } from '../support/test-app.js';

async function attempts(...args: string[]) {
  const environment = { DATABASE_URL: await testDatabaseUrl(), APP_SECRETS: TEST_SECRET };
  const command = run('src/cli.ts', ['attempts', ...args], environment);
  return { code: await command.exit, output: command.output() };
}

test('lets an account begin anew that strangers had stopped, and no other', async () => {
  const { app } = await buildTestApp();
  const { email, userId } = await register(app);
  const subjects = [`account|sign_in|${email}`, `account|second_factor|${userId}`].map(subjectOf);
  const other = subjectOf(`account|sign_in|${freshEmail()}`);
  for (const subject of [...subjects, other]) await pretendFailures(subject, 100);
  await sql("UPDATE attempts SET blocked_until = 'infinity' WHERE subject = ANY($1)", [[...subjects, other]]);
  await expect(logIn(app, email)).rejects.toThrow('too_many_attempts');

  expect(await attempts('forget', email.toUpperCase())).toMatchObject({
    code: 0,
    output: expect.stringContaining(`Guesses at ${email}`),
  });
  await logIn(app, email);
  for (const subject of subjects) expect(await failuresOf(subject)).toBe(0);
  expect(await failuresOf(other)).toBe(100);
});

test('says when there is no such account, and when it was not told which', async () => {
  const unknown = freshEmail();
  const [forgotten, ...misused] = await Promise.all([
    attempts('forget', unknown),
    attempts('forget'),
    attempts('forget', 'ada'),
    attempts('forget', unknown, unknown),
    attempts('remember'),
    attempts(),
  ]);
  expect(forgotten).toMatchObject({ code: 0, output: expect.stringContaining('There is no account') });
  for (const { code, output } of misused) {
    expect(code).toBe(2);
    expect(output).toContain('attempts forget <e-mail address>');
  }
});
