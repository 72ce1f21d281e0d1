import type { FastifyInstance } from 'fastify';
import { expect, test } from 'vitest';
import { openDatabase } from '../../src/database/database.js';
import { createRetentionJob } from '../../src/modules/retention/retention-job.js';
import { createRetentionRules } from '../../src/modules/retention/retention-repository.js';
import { bearer, deafInstance, eventTypesOf, tryLogIn, twoInstances } from '../support/accounts.js';
import { freshDatabaseUrl, sql, testDatabaseUrl } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import { buildTestApp, getMe, logIn, PASSWORD, readTokens, refresh, register } from '../support/test-app.js';

async function expectRefused(app: FastifyInstance, accessToken: string, reason: string, timeout = 1_000) {
  const ask = async () => (await getMe(app, accessToken)).json();
  await expect.poll(ask, { timeout, interval: 20 }).toMatchObject({ code: 'session_ended', reason });
}

test('hears within a second of a person whom an operator deletes by plain SQL', async () => {
  const [one, other] = await twoInstances();
  const person = await register(one);
  const laptop = await logIn(other, person.email);
  await sql('DELETE FROM users WHERE id = $1', [person.userId]);
  for (const app of [one, other]) {
    await expectRefused(app, person.accessToken, 'account_deleted');
    await expectRefused(app, laptop.accessToken, 'account_deleted');
    const answer = (await refresh(app, laptop.refreshToken)).json();
    expect(answer).toMatchObject({ code: 'session_ended', reason: 'account_deleted' });
  }
});

test('hears within a second of a live session that an operator deletes by plain SQL', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  await sql('DELETE FROM sessions WHERE id = $1', [person.sessionId]);
  await expectRefused(app, person.accessToken, 'revoked');
});

test('an instance that hears nothing finds a person deleted by plain SQL within five seconds, and one that starts later knows', async () => {
  const deaf = await deafInstance();
  const person = await register(deaf);
  await sql('DELETE FROM users WHERE id = $1', [person.userId]);
  await expectRefused(deaf, person.accessToken, 'account_deleted', 5_000);
  const { app: later } = await buildTestApp();
  expect((await getMe(later, person.accessToken)).json()).toMatchObject({ reason: 'account_deleted' });
});

test('a session that retention deletes is announced to nobody: it had ended or expired long ago', async () => {
  const url = await freshDatabaseUrl({ migrated: true });
  const { app } = await buildTestApp({ DATABASE_URL: url });
  const expired = await register(app);
  const ended = await register(app);
  const old = "now() - interval '91 days'";
  const database = openDatabase({ url, poolSize: 1, log: { warn: () => {} } });
  await withClient(url, async (client) => {
    const heard: unknown[] = [];
    client.on('notification', (message) => heard.push(message.payload));
    await client.query('LISTEN gatehouse_session_ended');
    await client.query(`UPDATE sessions SET idle_expires_at = ${old}, expires_at = ${old} WHERE id = $1`, [
      expired.sessionId,
    ]);
    await client.query("UPDATE sessions SET ended_at = now(), end_reason = 'logout' WHERE id = $1", [ended.sessionId]);
    await client.query(`UPDATE sessions SET ended_at = ${old} WHERE id = $1`, [ended.sessionId]);
    await client.query(`UPDATE session_endings SET ended_at = ${old}`);
    const job = createRetentionJob({
      rules: createRetentionRules(database, 90),
      onCleaned: () => {},
      onError: () => {},
    });
    expect(await job.run()).toEqual({ sessions: 2, session_endings: 1 });
    const { rows } = await client.query('SELECT * FROM session_endings');
    expect(rows).toEqual([]);
    expect(heard).toEqual([`${ended.sessionId} logout`]);
  });
  await database.$disconnect();
});

test('ending all again where the first ending is not known yet refuses every access token at once', async () => {
  const { app } = await buildTestApp();
  const deaf = await deafInstance();
  const person = await register(app);
  const laptop = await logIn(app, person.email);
  const endAll = (instance: FastifyInstance) =>
    instance.inject({ method: 'DELETE', url: '/v1/sessions', headers: bearer(person.accessToken) });
  expect((await endAll(app)).statusCode).toBe(204);
  // The answer was lost, and the client asks again. (Unless that instance has asked the database just now.)
  const again = await endAll(deaf);
  if (again.statusCode !== 204) expect(again.json().code).toBe('session_ended');
  for (const { accessToken } of [person, laptop]) {
    expect((await getMe(deaf, accessToken)).json()).toMatchObject({ code: 'session_ended', reason: 'revoked' });
  }
});

test('a sign-in with a password that is changed meanwhile opens no session, even by plain SQL', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  await withClient(await testDatabaseUrl(), async (client) => {
    await client.query('BEGIN');
    await client.query('UPDATE users SET password_version = password_version + 1 WHERE id = $1', [person.userId]);
    const signingIn = tryLogIn(app, person.email);
    const waiting = async () => {
      const rows = await sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%owner%'");
      return rows.length;
    };
    await expect.poll(waiting, { timeout: 2_000, interval: 20 }).toBe(1);
    await client.query('COMMIT');
    const answer = await signingIn;
    expect(answer.json()).toMatchObject({ status: 401, code: 'invalid_credentials' });
  });
  expect((await eventTypesOf(person.userId)).sort()).toEqual(['login', 'register']);
});

test('a new hash of the same password is no change: a sign-in that waits for it opens its session', async () => {
  const { app } = await buildTestApp();
  const { app: costlier } = await buildTestApp({ BCRYPT_COST: '5' });
  const person = await register(app);
  // As many at once as an account has before it waits.
  for (let round = 0; round < 5; round += 1) {
    const answers = await Promise.all([app, costlier, app, costlier].map((one) => tryLogIn(one, person.email)));
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200]);
  }
  const [row] = await sql<{ password_version: number; password_hash: string }>(
    'SELECT password_version, password_hash FROM users WHERE id = $1',
    [person.userId],
  );
  expect(row?.password_version).toBe(1);
});

test('register and login answer as ever: a session each, with what the token response tells', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const response = await tryLogIn(app, person.email, PASSWORD);
  const signedIn = readTokens(response);
  expect(signedIn.userId).toBe(person.userId);
  expect(signedIn.sessionId).not.toBe(person.sessionId);
  expect(Object.keys(response.json()).sort()).toEqual(['access_token', 'expires_in', 'session', 'token_type', 'user']);
  expect((await refresh(app, signedIn.refreshToken)).statusCode).toBe(200);
});
