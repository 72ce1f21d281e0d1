import { expect, test } from 'vitest';
import { sql } from '../support/database.js';
import { buildTestApp, cookieOf, getMe, readTokens, refresh, register } from '../support/test-app.js';

const HOUR = 3_600;

/** Lets time pass for a session, as far as its last rotation is concerned. */
async function pass(sessionId: string, seconds: number): Promise<void> {
  await sql('UPDATE sessions SET rotated_at = rotated_at - make_interval(secs => $2) WHERE id = $1', [
    sessionId,
    seconds,
  ]);
}

async function confirmedGeneration(sessionId: string): Promise<number | undefined> {
  const [row] = await sql<{ confirmed_generation: number }>('SELECT confirmed_generation FROM sessions WHERE id = $1', [
    sessionId,
  ]);
  return row?.confirmed_generation;
}

test('answers a retry an hour after the answer was lost with the same successor byte for byte', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const lost = await refresh(app, person.refreshToken);
  await pass(person.sessionId, HOUR);
  const retry = await refresh(app, person.refreshToken);
  expect(retry.statusCode).toBe(200);
  expect(cookieOf(retry)).toBe(cookieOf(lost));
  expect((await getMe(app, readTokens(retry).accessToken)).statusCode).toBe(200);
});

test('takes the same retry for reuse once anybody has used the answer, at once on the instance that saw it', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const next = readTokens(await refresh(app, person.refreshToken));
  await pass(person.sessionId, HOUR);
  // The note of this use is not written yet when the old token comes: the instance knows all the same.
  expect((await getMe(app, next.accessToken)).statusCode).toBe(200);
  expect((await refresh(app, person.refreshToken)).json().code).toBe('refresh_token_reused');
});

test('tells the other instances of a use within a second', async () => {
  const { app: one } = await buildTestApp();
  const { app: other } = await buildTestApp();
  const person = await register(one);
  const next = readTokens(await refresh(one, person.refreshToken));
  await getMe(one, next.accessToken);
  await expect.poll(() => confirmedGeneration(person.sessionId), { timeout: 1_000 }).toBe(2);
  await pass(person.sessionId, HOUR);
  expect((await refresh(other, person.refreshToken)).json().code).toBe('refresh_token_reused');
});

test('confirms a generation also by its own refresh token', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const second = readTokens(await refresh(app, person.refreshToken));
  await refresh(app, second.refreshToken);
  expect(await confirmedGeneration(person.sessionId)).toBe(2);
});

test('ends recovery after REFRESH_RECOVERY_SECONDS, and does not begin it when that is 0', async () => {
  const day = await buildTestApp();
  const person = await register(day.app);
  await refresh(day.app, person.refreshToken);
  await pass(person.sessionId, 24 * HOUR);
  expect((await refresh(day.app, person.refreshToken)).json().code).toBe('refresh_token_reused');

  const off = await buildTestApp({ REFRESH_RECOVERY_SECONDS: '0' });
  const other = await register(off.app);
  await refresh(off.app, other.refreshToken);
  await pass(other.sessionId, 11);
  expect((await refresh(off.app, other.refreshToken)).json().code).toBe('refresh_token_reused');
});

test.each(['owner', 'thief'] as const)(
  'lets an owner and a thief who hold the same old token not both live on past the first use (first: %s)',
  async (first) => {
    const { app } = await buildTestApp();
    const person = await register(app);
    // One of them refreshes; the other comes with the same token, and gets the same successor while nobody has used it.
    const held = {
      owner: readTokens(await refresh(app, person.refreshToken)),
      thief: { refreshToken: '', accessToken: '' },
    };
    await pass(person.sessionId, HOUR);
    held.thief = readTokens(await refresh(app, person.refreshToken));
    expect(held.thief.refreshToken).toBe(held.owner.refreshToken);

    const second = first === 'owner' ? 'thief' : 'owner';
    const next = readTokens(await refresh(app, held[first].refreshToken));
    await getMe(app, next.accessToken);
    await pass(person.sessionId, 11);
    expect((await refresh(app, held[second].refreshToken)).json().code).toBe('refresh_token_reused');
    expect((await refresh(app, next.refreshToken)).json().code).toBe('session_ended');
    expect((await getMe(app, next.accessToken)).json().code).toBe('session_ended');
  },
);

test('writes the notes that are left when it is closed', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  await getMe(app, person.accessToken);
  await app.close();
  expect(await confirmedGeneration(person.sessionId)).toBe(1);
});

test('does not confirm a generation for a token that did not pass the gate', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  await sql("UPDATE sessions SET ended_at = now(), end_reason = 'revoked' WHERE id = $1", [person.sessionId]);
  await expect.poll(async () => (await getMe(app, person.accessToken)).statusCode, { timeout: 5_000 }).toBe(401);
  await app.close();
  expect(await confirmedGeneration(person.sessionId)).toBe(0);
});

test('records a reuse as an incident with both sides, the gap and the time', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const second = readTokens(await refresh(app, person.refreshToken));
  await refresh(app, second.refreshToken);
  const thief = { headers: { 'user-agent': 'thief/1.0' }, remoteAddress: '203.0.113.66' };
  expect((await refresh(app, person.refreshToken, thief)).json().code).toBe('refresh_token_reused');
  const incidents = await sql('SELECT * FROM reuse_incidents WHERE session_id = $1', [person.sessionId]);
  expect(incidents).toHaveLength(1);
  expect(incidents[0]).toMatchObject({
    user_id: person.userId,
    generation: 3,
    presented_generation: 1,
    session_ip: '127.0.0.1',
    session_user_agent: 'lightMyRequest',
    ip: '203.0.113.66',
    user_agent: 'thief/1.0',
    detected_at: expect.any(Date),
    rotated_at: expect.any(Date),
  });
});
