import { randomBytes } from 'node:crypto';
import { expect, inject, test } from 'vitest';
import { freshDatabaseUrl } from '../../support/database.js';
import { urlOf, withClient } from '../../support/postgres.js';
import { buildTestApp, cookieOf, getMe, logIn, refresh, register, TEST_SECRET } from '../../support/test-app.js';

/** What `sessions end --all` does. */
const endAll = (url: string) =>
  withClient(url, (client) =>
    client.query("UPDATE sessions SET ended_at = now(), end_reason = 'revoked' WHERE ended_at IS NULL"),
  );

/** A dump of a database that nobody uses, and what comes of restoring it. */
async function copyOf(url: string): Promise<string> {
  const { administratorUrl } = inject('postgres');
  const name = `restored_${randomBytes(4).toString('hex')}`;
  const source = new URL(url).pathname.slice(1);
  await withClient(administratorUrl, (client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${source}`));
  return urlOf(administratorUrl, name);
}

test('after restoring an old dump: newer tokens are invalid and no reuse, what ended since lives, and ending all mends it', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const before = await buildTestApp({ DATABASE_URL });
  const goesOn = await register(before.app);
  const signsOut = await register(before.app);
  await before.app.close();
  const backup = await copyOf(DATABASE_URL);

  const after = await buildTestApp({ DATABASE_URL });
  let newest = goesOn.refreshToken;
  for (let count = 0; count < 3; count += 1) newest = cookieOf(await refresh(after.app, newest)) ?? '';
  await after.app.inject({
    method: 'POST',
    url: '/v1/auth/logout',
    headers: { authorization: `Bearer ${signsOut.accessToken}` },
  });
  expect((await refresh(after.app, signsOut.refreshToken)).json().code).toBe('session_ended');

  const restored = await buildTestApp({ DATABASE_URL: backup });
  const refused = await refresh(restored.app, newest);
  expect([refused.statusCode, refused.json().code]).toEqual([401, 'refresh_token_invalid']);
  // The runbook's warning: what had ended is alive again, until it is ended once more.
  expect((await getMe(restored.app, signsOut.accessToken)).statusCode).toBe(200);
  await endAll(backup);
  for (const { accessToken } of [goesOn, signsOut]) {
    await expect.poll(async () => (await getMe(restored.app, accessToken)).statusCode, { timeout: 5_000 }).toBe(401);
  }
  expect((await refresh(restored.app, signsOut.refreshToken)).json().code).toBe('session_ended');
  expect((await logIn(restored.app, goesOn.email)).sessionId).not.toBe(goesOn.sessionId);
});

test('after a leaked secret: all that was made with it is over, people sign in anew, and are hashed under the new one', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const fresh = randomBytes(32).toString('base64url');
  const leaked = await buildTestApp({ DATABASE_URL });
  const person = await register(leaked.app);
  await endAll(DATABASE_URL);
  await leaked.app.close();

  const both = await buildTestApp({ DATABASE_URL, APP_SECRETS: `${fresh},${TEST_SECRET}` });
  expect((await refresh(both.app, person.refreshToken)).json().code).toBe('session_ended');
  expect((await getMe(both.app, person.accessToken)).statusCode).toBe(401);
  const again = await logIn(both.app, person.email);
  await both.app.close();

  // Much later the leaked one goes, and takes nothing along that is in use.
  const alone = await buildTestApp({ DATABASE_URL, APP_SECRETS: fresh });
  expect((await refresh(alone.app, again.refreshToken)).statusCode).toBe(200);
  expect((await logIn(alone.app, person.email)).userId).toBe(person.userId);
});

test('a secret that is replaced in three steps signs nobody out', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const fresh = randomBytes(32).toString('base64url');
  let token = '';
  for (const APP_SECRETS of [TEST_SECRET, `${TEST_SECRET},${fresh}`, `${fresh},${TEST_SECRET}`, fresh]) {
    const { app } = await buildTestApp({ DATABASE_URL, APP_SECRETS });
    if (token === '') token = (await register(app)).refreshToken;
    const answer = await refresh(app, token);
    expect(answer.statusCode).toBe(200);
    token = cookieOf(answer) ?? '';
    await app.close();
  }
});
