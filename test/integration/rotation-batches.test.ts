import { expect, test } from 'vitest';
import { sql, testDatabaseUrl } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import { buildTestApp, cookieOf, getMe, refresh, register, type SignedIn } from '../support/test-app.js';

const PEOPLE = 60;

async function people(app: Parameters<typeof register>[0], count = PEOPLE): Promise<SignedIn[]> {
  return Promise.all(Array.from({ length: count }, () => register(app)));
}

const rowsOf = (all: SignedIn[]) =>
  sql<{ id: string; generation: number; ended_at: Date | null }>(
    'SELECT id, generation, ended_at FROM sessions WHERE id = ANY ($1)',
    [all.map(({ sessionId }) => sessionId)],
  );

test('many refreshes at once on two instances move each session once, and every tab gets the same successor', async () => {
  const [a, b] = await Promise.all([buildTestApp(), buildTestApp()]);
  let all = await people(a.app);
  for (let round = 1; round <= 5; round += 1) {
    const answers = await Promise.all(
      all.flatMap((person) => [a, b, a].map(({ app }) => refresh(app, person.refreshToken))),
    );
    all = all.map((person, index) => {
      const own = answers.slice(index * 3, index * 3 + 3);
      expect(own.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200]);
      const successors = new Set(own.map(cookieOf));
      expect(successors.size).toBe(1);
      return { ...person, refreshToken: [...successors][0] ?? '' };
    });
    for (const row of await rowsOf(all)) expect(row).toMatchObject({ generation: round + 1, ended_at: null });
  }
});

test('in one batch each row is judged by itself: ended, replaced, forged and good ones', async () => {
  const { app } = await buildTestApp({ REFRESH_GRACE_SECONDS: '0', REFRESH_RECOVERY_SECONDS: '0' });
  const [good, ended, replaced, ...crowd] = await people(app, 20);
  if (!good || !ended || !replaced) throw new Error('too few people');
  await sql("UPDATE sessions SET ended_at = now(), end_reason = 'revoked' WHERE id = $1", [ended.sessionId]);
  const successor = cookieOf(await refresh(app, replaced.refreshToken)) ?? '';
  expect((await refresh(app, successor)).statusCode).toBe(200);
  const asked = [...crowd.slice(0, 8), good, ended, replaced, ...crowd.slice(8)];
  const answers = await Promise.all(asked.map(({ refreshToken }) => refresh(app, refreshToken)));
  const codeOf = (person: SignedIn) => {
    const answer = answers[asked.indexOf(person)];
    return answer?.statusCode === 200 ? 200 : answer?.json().code;
  };
  expect([good, ended, replaced].map(codeOf)).toEqual([200, 'session_ended', 'refresh_token_reused']);
  for (const person of crowd) expect(codeOf(person)).toBe(200);
});

test('a row that is locked holds up its own batch for a while and fails nobody else', async () => {
  const { app } = await buildTestApp();
  const all = await people(app, 30);
  const [locked, ...others] = all;
  if (!locked) throw new Error('too few people');
  await withClient(await testDatabaseUrl(), async (client) => {
    await client.query('BEGIN');
    await client.query('SELECT 1 FROM sessions WHERE id = $1 FOR UPDATE', [locked.sessionId]);
    const answers = await Promise.all(all.map(({ refreshToken }) => refresh(app, refreshToken)));
    expect(answers[0]?.statusCode).toBe(503);
    for (const answer of answers.slice(1)) expect(answer.statusCode).toBe(200);
    await client.query('ROLLBACK');
  });
  for (const { id, generation } of await rowsOf(others)) expect([id, generation]).toEqual([id, 2]);
  expect((await refresh(app, locked.refreshToken)).statusCode).toBe(200);
});

test('batched rotations are heap-only updates', async () => {
  const { app } = await buildTestApp();
  const all = await people(app);
  const counted = async () => {
    await sql('SELECT pg_stat_force_next_flush()');
    const [row] = await sql<{ updates: string; hot: string }>(
      "SELECT n_tup_upd AS updates, n_tup_hot_upd AS hot FROM pg_stat_user_tables WHERE relname = 'sessions'",
    );
    return { updates: Number(row?.updates), hot: Number(row?.hot) };
  };
  const before = await counted();
  // A few of each page at a time, as it is with many sessions: a page has room for some of its rows, not for all at once.
  for (let turn = 0; turn < 5; turn += 1) {
    const some = all.filter((_person, index) => index % 5 === turn);
    const answers = await Promise.all(some.map(({ refreshToken }) => refresh(app, refreshToken)));
    for (const answer of answers) expect(answer.statusCode).toBe(200);
  }
  await expect
    .poll(async () => (await counted()).updates - before.updates, { timeout: 15_000 })
    .toBeGreaterThanOrEqual(PEOPLE);
  const after = await counted();
  // Had an index to be touched, none would be.
  expect(after.hot - before.hot).toBeGreaterThan((after.updates - before.updates) * 0.8);
});

test('an ending that races a batch wins', async () => {
  const [a, b] = await Promise.all([buildTestApp(), buildTestApp()]);
  const all = await people(a.app, 40);
  const [answers] = await Promise.all([
    Promise.all(all.map(({ refreshToken }) => refresh(a.app, refreshToken))),
    Promise.all(
      all.map(({ accessToken }) =>
        b.app.inject({ method: 'POST', url: '/v1/auth/logout', headers: { authorization: `Bearer ${accessToken}` } }),
      ),
    ),
  ]);
  for (const row of await rowsOf(all)) expect(row.ended_at).toBeInstanceOf(Date);
  for (const answer of answers) {
    if (answer.statusCode !== 200) continue;
    expect((await refresh(a.app, cookieOf(answer) ?? '')).statusCode).toBe(401);
    await expect
      .poll(async () => (await getMe(b.app, answer.json().access_token)).statusCode, { timeout: 5_000 })
      .toBe(401);
  }
});
