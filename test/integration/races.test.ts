import type { FastifyInstance } from 'fastify';
import { expect, test } from 'vitest';
import { sql } from '../support/database.js';
import { buildTestApp, COOKIE, cookieOf, getMe, logIn, readTokens, refresh, register } from '../support/test-app.js';

const ROUNDS = 300;

async function twoInstances(): Promise<[FastifyInstance, FastifyInstance]> {
  return [(await buildTestApp()).app, (await buildTestApp()).app];
}

async function generationOf(sessionId: string): Promise<number | undefined> {
  const [row] = await sql<{ generation: number }>('SELECT generation FROM sessions WHERE id = $1', [sessionId]);
  return row?.generation;
}

test('gives 100 parallel refreshes of one token one rotation and one successor', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const responses = await Promise.all(Array.from({ length: 100 }, () => refresh(app, person.refreshToken)));
  expect(responses.map(({ statusCode }) => statusCode)).toEqual(Array(100).fill(200));
  expect(new Set(responses.map(cookieOf)).size).toBe(1);
  expect(await generationOf(person.sessionId)).toBe(2);
});

test(`never forks a session that two instances refresh at once, in ${ROUNDS} rounds`, { timeout: 60_000 }, async () => {
  const [one, other] = await twoInstances();
  const person = await register(one);
  let { refreshToken } = person;
  for (let round = 1; round <= ROUNDS; round += 1) {
    const token = refreshToken;
    const [a, b] = await Promise.all([refresh(one, token), refresh(other, token)]);
    expect([a.statusCode, b.statusCode]).toEqual([200, 200]);
    expect(cookieOf(a)).toBe(cookieOf(b));
    refreshToken = readTokens(a).refreshToken;
  }
  expect(await generationOf(person.sessionId)).toBe(ROUNDS + 1);
});

test(`lets logout win whenever it races a refresh, in ${ROUNDS} rounds`, { timeout: 120_000 }, async () => {
  const [one, other] = await twoInstances();
  const person = await register(one);
  for (let round = 0; round < ROUNDS; round += 1) {
    const session = await logIn(one, person.email);
    const [refreshed, loggedOut] = await Promise.all([
      refresh(other, session.refreshToken),
      one.inject({
        method: 'POST',
        url: '/v1/auth/logout',
        headers: { cookie: `${COOKIE}=${session.refreshToken}` },
      }),
    ]);
    expect(loggedOut.statusCode).toBe(204);
    const survivor = refreshed.statusCode === 200 ? readTokens(refreshed) : session;
    for (const instance of [one, other]) {
      expect((await refresh(instance, survivor.refreshToken)).json().code).toBe('session_ended');
    }
    // Where logout answered, the access token is dead at once.
    expect((await getMe(one, survivor.accessToken)).json().code).toBe('session_ended');
  }
});

test('ends a session once when many replays of an old token race', async () => {
  const [one, other] = await Promise.all([
    buildTestApp({ REFRESH_GRACE_SECONDS: '0', REFRESH_RECOVERY_SECONDS: '0' }),
    buildTestApp({ REFRESH_GRACE_SECONDS: '0', REFRESH_RECOVERY_SECONDS: '0' }),
  ]);
  const person = await register(one.app);
  await refresh(one.app, person.refreshToken);
  const replays = Array.from({ length: 40 }, (_, index) =>
    refresh(index % 2 ? one.app : other.app, person.refreshToken),
  );
  for (const response of await Promise.all(replays)) {
    expect(['refresh_token_reused', 'session_ended']).toContain(response.json().code);
  }
  const incidents = [...one.logLines(), ...other.logLines()].filter(({ event }) => event === 'refresh_reuse');
  expect(incidents).toHaveLength(1);
});
