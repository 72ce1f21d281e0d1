import { expect, test } from 'vitest';
import { sql } from '../support/database.js';
import { buildTestApp, cookieOf, getMe, logIn, refresh, register } from '../support/test-app.js';

test('what a service logs on behalf of a request names it, and the line of the answer names it once', async () => {
  const { app, logLines, logText } = await buildTestApp({ REFRESH_GRACE_SECONDS: '0' });
  const person = await register(app);
  const successor = cookieOf(await refresh(app, person.refreshToken)) ?? '';
  await refresh(app, successor);
  const reused = await refresh(app, person.refreshToken);
  expect(reused.json().code).toBe('refresh_token_reused');
  const requestId = reused.headers['x-request-id'];
  const story = logLines().filter(({ request_id: id }) => id === requestId);
  expect(story.map(({ event, code }) => event ?? code)).toEqual(['refresh_reuse', 'refresh_token_reused']);
  for (const line of logText().split('\n')) expect(line.split('"request_id"').length).toBeLessThanOrEqual(2);
});

test('requests that run at once keep their stories apart', async () => {
  const { app, logLines } = await buildTestApp({ REFRESH_GRACE_SECONDS: '0', REFRESH_RECOVERY_SECONDS: '0' });
  const people = await Promise.all(Array.from({ length: 10 }, () => register(app)));
  await Promise.all(
    people.map(async ({ refreshToken }) => refresh(app, cookieOf(await refresh(app, refreshToken)) ?? '')),
  );
  const reused = await Promise.all(people.map(({ refreshToken }) => refresh(app, refreshToken)));
  const incidents = logLines().filter(({ event }) => event === 'refresh_reuse');
  expect(incidents).toHaveLength(10);
  for (const [index, { sessionId }] of people.entries()) {
    const incident = incidents.find(({ session_id: id }) => id === sessionId);
    expect(incident?.request_id).toBe(reused[index]?.headers['x-request-id']);
  }
});

test('work that serves many requests belongs to none of them', async () => {
  const { app, logLines } = await buildTestApp();
  const person = await register(app);
  const { accessToken } = await logIn(app, person.email);
  // The next write of notes fails: a column that it needs is not there for a moment.
  await sql('ALTER TABLE sessions RENAME COLUMN confirmed_generation TO hidden');
  try {
    expect((await getMe(app, accessToken)).statusCode).toBe(200);
    await expect
      .poll(() => logLines().find(({ msg }) => String(msg).startsWith('confirmed generations')), { timeout: 10_000 })
      .toBeDefined();
  } finally {
    await sql('ALTER TABLE sessions RENAME COLUMN hidden TO confirmed_generation');
  }
  const line = logLines().find(({ msg }) => String(msg).startsWith('confirmed generations'));
  expect(line).not.toHaveProperty('request_id');
});
