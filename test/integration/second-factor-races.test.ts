import { setTimeout as wait } from 'node:timers/promises';
import type { FastifyInstance, LightMyRequestResponse as Response } from 'fastify';
import { expect, test } from 'vitest';
import { changePassword, deafInstance } from '../support/accounts.js';
import { sql, testDatabaseUrl } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import { asPerson, beginLogin, codeOf, finishLogin, registerWithSecondFactor } from '../support/second-factor.js';
import { buildTestApp, COOKIE, cookieOf, logIn, PASSWORD, readTokens, refresh, register } from '../support/test-app.js';

const PATH = '/v1/me/second-factor';

async function twoInstances(): Promise<[FastifyInstance, FastifyInstance]> {
  return [(await buildTestApp()).app, (await buildTestApp()).app];
}

const outcomes = (answers: Response[]) =>
  answers.map((answer) => (answer.statusCode === 200 ? 'done' : answer.json().code)).sort();

const reauthenticate = (app: FastifyInstance, person: { accessToken: string }) =>
  asPerson(app, person, 'POST', '/v1/auth/reauthenticate', { password: PASSWORD });

async function countSessions(userId: string): Promise<number> {
  return (await sql('SELECT id FROM sessions WHERE user_id = $1', [userId])).length;
}

test('opens one session for one code that two instances are sent at once, in 40 rounds', {
  timeout: 60_000,
}, async () => {
  const [one, other] = await twoInstances();
  for (let round = 0; round < 40; round += 1) {
    const person = await registerWithSecondFactor(one);
    const code = round % 2 ? codeOf(person.secret) : (person.recoveryCodes[0] ?? '');
    const mfaToken = await beginLogin(one, person.email);
    const answers = await Promise.all([one, other].map((app) => finishLogin(app, mfaToken, code)));
    expect(outcomes(answers)).toEqual(['done', 'mfa_code_invalid']);
    expect(await countSessions(person.userId)).toBe(2);
  }
});

test('turns a factor on once, with one list of recovery codes, when two confirm it at once, in 20 rounds', async () => {
  const [one, other] = await twoInstances();
  for (let round = 0; round < 20; round += 1) {
    const person = await register(one);
    const { secret } = (await asPerson(one, person, 'POST', PATH)).json();
    const body = { code: codeOf(secret) };
    const answers = await Promise.all(
      [one, other].map((app) => asPerson(app, person, 'POST', `${PATH}/confirm`, body)),
    );
    const won = answers.filter(({ statusCode }) => statusCode === 200);
    expect(won).toHaveLength(1);
    expect((await asPerson(one, person, 'GET', PATH)).json().recovery_codes_left).toBe(10);
    const [code] = won[0]?.json().recovery_codes ?? [];
    expect((await finishLogin(other, await beginLogin(one, person.email), code)).statusCode).toBe(200);
  }
});

test('never mixes two lists of recovery codes that are made at once, in 20 rounds', async () => {
  const [one, other] = await twoInstances();
  for (let round = 0; round < 20; round += 1) {
    const person = await registerWithSecondFactor(one);
    const answers = await Promise.all(
      [one, other].map((app, index) =>
        asPerson(app, person, 'POST', `${PATH}/recovery-codes`, {
          password: PASSWORD,
          code: person.recoveryCodes[index],
        }),
      ),
    );
    // Whoever comes first makes the other's code void, or both are taken before either list is replaced.
    const lists: string[][] = answers
      .filter(({ statusCode }) => statusCode === 200)
      .map((a) => a.json().recovery_codes);
    expect(lists.length).toBeGreaterThan(0);
    expect((await asPerson(one, person, 'GET', PATH)).json().recovery_codes_left).toBe(10);
    const mfaToken = await beginLogin(one, person.email);
    const good: boolean[] = [];
    for (const [code = ''] of lists) good.push((await finishLogin(one, mfaToken, code)).statusCode === 200);
    expect(good.filter(Boolean)).toHaveLength(1);
  }
});

test('never signs out, nor forks, a session that is refreshed and proved anew at once, in 150 rounds', {
  timeout: 60_000,
}, async () => {
  const [one, other] = await twoInstances();
  const person = await register(one);
  let tokens = readTokens(await refresh(one, person.refreshToken));
  for (let round = 0; round < 150; round += 1) {
    const [proof, refreshed] = await Promise.all([
      reauthenticate(one, tokens),
      // Before, while and after the password is checked.
      wait(Math.random() * 6).then(() => refresh(other, tokens.refreshToken)),
    ]);
    expect([proof.statusCode, refreshed.statusCode]).toEqual([200, 200]);
    expect(cookieOf(proof)).toBe(cookieOf(refreshed));
    tokens = readTokens(round % 2 ? proof : refreshed);
  }
  const [row] = await sql('SELECT generation, ended_at FROM sessions WHERE id = $1', [person.sessionId]);
  expect(row).toEqual({ generation: 152, ended_at: null });
});

test('lets logout win whenever it races a proof, in 60 rounds', { timeout: 60_000 }, async () => {
  const [one, other] = await twoInstances();
  const person = await register(one);
  for (let round = 0; round < 60; round += 1) {
    const session = await logIn(one, person.email);
    const headers = { cookie: `${COOKIE}=${session.refreshToken}` };
    const [proof] = await Promise.all([
      reauthenticate(other, session),
      wait(Math.random() * 6).then(() => one.inject({ method: 'POST', url: '/v1/auth/logout', headers })),
    ]);
    if (proof.statusCode !== 200) expect(proof.json()).toMatchObject({ code: 'session_ended', reason: 'logout' });
    const survivor = proof.statusCode === 200 ? readTokens(proof) : session;
    expect((await refresh(other, survivor.refreshToken)).json().code).toBe('session_ended');
  }
});

test('renews no session by a password that is being changed at this moment', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const proof = await withClient(await testDatabaseUrl(), async (client) => {
    await client.query('BEGIN');
    await client.query('UPDATE users SET password_version = password_version + 1 WHERE id = $1', [person.userId]);
    const pending = reauthenticate(app, person);
    await expect
      .poll(async () =>
        sql("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"),
      )
      .not.toEqual([]);
    await client.query('COMMIT');
    return pending;
  });
  expect(proof.json().code).toBe('invalid_credentials');
  const [row] = await sql('SELECT generation FROM sessions WHERE id = $1', [person.sessionId]);
  expect(row).toEqual({ generation: 1 });
});

test('turns no second factor on for a session that a new password has ended, where that is not known yet', async () => {
  const { app } = await buildTestApp();
  const deaf = await deafInstance();
  const owner = await register(app);
  const thief = await logIn(app, owner.email);
  const begun = await asPerson(deaf, thief, 'POST', PATH);
  expect(begun.statusCode).toBe(201);
  expect((await changePassword(app, owner.accessToken)).statusCode).toBe(200);
  const answer = await asPerson(deaf, thief, 'POST', `${PATH}/confirm`, { code: codeOf(begun.json().secret) });
  expect([answer.statusCode, answer.json().code]).toEqual([401, 'session_ended']);
  expect(
    await sql('SELECT 1 FROM second_factors WHERE user_id = $1 AND confirmed_at IS NOT NULL', [owner.userId]),
  ).toEqual([]);
});
