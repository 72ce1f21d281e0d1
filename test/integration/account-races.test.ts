import type { FastifyInstance, LightMyRequestResponse as Response } from 'fastify';
import { expect, test } from 'vitest';
import {
  changePassword,
  countLiveSessions,
  eventTypesOf,
  leave,
  logOut,
  NEW_PASSWORD,
  tryLogIn,
  twoInstances,
} from '../support/accounts.js';
import { sql } from '../support/database.js';
import { getMe, logIn, PASSWORD, readTokens, refresh, register } from '../support/test-app.js';

const ROUNDS = 100;

/** Whose turn it is: both instances do both things. */
function take(instances: [FastifyInstance, FastifyInstance], round: number): [FastifyInstance, FastifyInstance] {
  return round % 2 === 0 ? instances : [instances[1], instances[0]];
}

/** Lets the two begin a little apart, so that in many rounds they meet at every step of each other. */
async function meet<One, Other>(round: number, one: () => Promise<One>, other: () => Promise<Other>) {
  const later = async <Result>(turns: number, work: () => Promise<Result>) => {
    for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    return work();
  };
  return Promise.all([later((round * 7) % 30, one), later((round * 13) % 30, other)]);
}

/** Neither a fault of ours nor one that we pass on. */
function expectNoFault(...responses: Response[]) {
  for (const { statusCode, body } of responses) expect(statusCode, body).toBeLessThan(500);
}

async function expectDead(apps: FastifyInstance[], refreshToken: string, reasons: string[]) {
  for (const app of apps) {
    const answer = (await refresh(app, refreshToken)).json();
    expect(answer.code).toBe('session_ended');
    expect(reasons).toContain(answer.reason);
  }
}

test(`a change of the password wins over the refresh of another session, in ${ROUNDS} rounds`, async () => {
  const instances = await twoInstances();
  for (let round = 0; round < ROUNDS; round += 1) {
    const [one, other] = take(instances, round);
    const person = await register(one);
    const thief = await logIn(other, person.email);
    const [changed, refreshed] = await meet(
      round,
      () => changePassword(one, person.accessToken),
      () => refresh(other, thief.refreshToken),
    );
    expectNoFault(changed, refreshed);
    expect(changed.statusCode).toBe(200);
    const survivor = refreshed.statusCode === 200 ? readTokens(refreshed) : thief;
    await expectDead([one, other], survivor.refreshToken, ['password_changed']);
    expect((await getMe(one, survivor.accessToken)).json().code).toBe('session_ended');
    expect((await refresh(other, readTokens(changed).refreshToken)).statusCode).toBe(200);
    expect(await countLiveSessions(person.userId)).toBe(1);
  }
}, 60_000);

test(`a change of the password leaves no session that a sign-in with the old one opened, in ${ROUNDS} rounds`, async () => {
  const instances = await twoInstances();
  const outcomes = { opened: 0, refused: 0 };
  for (let round = 0; round < ROUNDS; round += 1) {
    const [one, other] = take(instances, round);
    const person = await register(one);
    const [changed, signedIn] = await meet(
      round,
      () => changePassword(one, person.accessToken),
      () => tryLogIn(other, person.email),
    );
    expectNoFault(changed, signedIn);
    expect(changed.statusCode).toBe(200);
    if (signedIn.statusCode === 200) {
      outcomes.opened += 1;
      await expectDead([one, other], readTokens(signedIn).refreshToken, ['password_changed']);
      expect((await getMe(one, readTokens(signedIn).accessToken)).json().code).toBe('session_ended');
    } else {
      outcomes.refused += 1;
      expect(signedIn.json().code).toBe('invalid_credentials');
    }
    expect(await countLiveSessions(person.userId)).toBe(1);
  }
  expect(outcomes.opened + outcomes.refused).toBe(ROUNDS);
}, 60_000);

test(`a change of the password and signing out of the same session never half happen, in ${ROUNDS} rounds`, async () => {
  const instances = await twoInstances();
  for (let round = 0; round < ROUNDS; round += 1) {
    const [one, other] = take(instances, round);
    const person = await register(one);
    const laptop = await logIn(one, person.email);
    const [changed, loggedOut] = await meet(
      round,
      () => changePassword(one, person.accessToken),
      () => logOut(other, person.refreshToken),
    );
    expect(loggedOut.statusCode).toBe(204);
    expectNoFault(changed);
    const held = changed.statusCode === 200 ? readTokens(changed) : person;
    await expectDead([one, other], held.refreshToken, ['logout']);
    const happened = changed.statusCode === 200;
    if (!happened) expect(changed.json()).toMatchObject({ code: 'session_ended', reason: 'logout' });
    expect((await refresh(one, laptop.refreshToken)).statusCode).toBe(happened ? 401 : 200);
    expect((await tryLogIn(one, person.email, happened ? NEW_PASSWORD : PASSWORD)).statusCode).toBe(200);
    expect((await tryLogIn(one, person.email, happened ? PASSWORD : NEW_PASSWORD)).statusCode).toBe(401);
  }
}, 60_000);

test(`of two changes of the password at once one happens, in ${ROUNDS} rounds`, async () => {
  const instances = await twoInstances();
  for (let round = 0; round < ROUNDS; round += 1) {
    const [one, other] = take(instances, round);
    const person = await register(one);
    // Half of the rounds from one session, half from two.
    const second = round % 4 < 2 ? person : await logIn(other, person.email);
    const answers = await meet(
      round,
      () => changePassword(one, person.accessToken, { to: 'the first new password' }),
      () => changePassword(other, second.accessToken, { to: 'the second new password' }),
    );
    expectNoFault(...answers);
    const winners = answers.filter(({ statusCode }) => statusCode === 200);
    expect(winners).toHaveLength(1);
    const loser = answers.find(({ statusCode }) => statusCode !== 200);
    expect(['invalid_credentials', 'session_ended']).toContain(loser?.json().code);
    const won = answers[0].statusCode === 200 ? 'the first new password' : 'the second new password';
    expect((await tryLogIn(one, person.email, won)).statusCode).toBe(200);
    expect((await eventTypesOf(person.userId)).filter((type) => type === 'password_changed')).toHaveLength(1);
    // The winner's session, and the one that was opened just now.
    expect(await countLiveSessions(person.userId)).toBe(2);
  }
}, 60_000);

test(`leaving wins over a refresh and a sign-in, in ${ROUNDS} rounds`, async () => {
  const instances = await twoInstances();
  for (let round = 0; round < ROUNDS; round += 1) {
    const [one, other] = take(instances, round);
    const person = await register(one);
    const laptop = await logIn(other, person.email);
    const [left, [refreshed, signedIn]] = await meet(
      round,
      () => leave(one, person.accessToken),
      () => Promise.all([refresh(other, laptop.refreshToken), tryLogIn(other, person.email)]),
    );
    expectNoFault(left, refreshed, signedIn);
    expect(left.statusCode).toBe(204);
    const survivors = [refreshed.statusCode === 200 ? readTokens(refreshed) : laptop];
    if (signedIn.statusCode === 200) survivors.push(readTokens(signedIn));
    else expect(signedIn.json().code).toBe('invalid_credentials');
    for (const { refreshToken, accessToken } of survivors) {
      await expectDead([one, other], refreshToken, ['account_deleted']);
      expect((await getMe(other, accessToken)).json()).toMatchObject({ reason: 'account_deleted' });
    }
    expect(await sql('SELECT 1 FROM sessions WHERE user_id = $1', [person.userId])).toEqual([]);
    expect(
      await sql('SELECT 1 FROM events WHERE user_id = $1 AND (ip IS NOT NULL OR session_id IS NOT NULL)', [
        person.userId,
      ]),
    ).toEqual([]);
  }
}, 60_000);

test(`an address is free for somebody else from the moment its owner has left, in ${ROUNDS} rounds`, async () => {
  const instances = await twoInstances();
  for (let round = 0; round < ROUNDS; round += 1) {
    const [one, other] = take(instances, round);
    const person = await register(one);
    const payload = { email: person.email, password: PASSWORD };
    const registerAnew = () => other.inject({ method: 'POST', url: '/v1/auth/register', payload });
    /** Asks over and over, so that one of the attempts meets the deletion. */
    const registerUntilFree = async () => {
      const answers = [await registerAnew()];
      while (answers.at(-1)?.statusCode === 409 && answers.length < 500) answers.push(await registerAnew());
      return answers;
    };
    const [left, answers] = await meet(round, () => leave(one, person.accessToken), registerUntilFree);
    expectNoFault(left, ...answers);
    expect(left.statusCode).toBe(204);
    const [registered] = answers.slice(-1);
    if (registered?.statusCode !== 201) expect.unreachable(`no account anew: ${registered?.body}`);
    const next = readTokens(registered);
    expect(next.userId).not.toBe(person.userId);
    expect(await sql('SELECT id FROM users WHERE email = $1', [person.email])).toEqual([{ id: next.userId }]);
    expect((await refresh(one, next.refreshToken)).statusCode).toBe(200);
    await expectDead([one, other], person.refreshToken, ['account_deleted']);
  }
}, 60_000);

test(`of leaving twice and changing the password at once, none is a fault, in ${ROUNDS} rounds`, async () => {
  const instances = await twoInstances();
  for (let round = 0; round < ROUNDS; round += 1) {
    const [one, other] = take(instances, round);
    const person = await register(one);
    const laptop = await logIn(other, person.email);
    const answers = (
      await meet(
        round,
        () => Promise.all([leave(one, person.accessToken), changePassword(one, laptop.accessToken)]),
        () => leave(other, laptop.accessToken),
      )
    ).flat();
    expectNoFault(...answers);
    const [gone] = await sql<{ count: number }>('SELECT count(*)::int FROM users WHERE id = $1', [person.userId]);
    const departures = (await eventTypesOf(person.userId)).filter((type) => type === 'account_deleted');
    expect(departures).toHaveLength(gone?.count === 0 ? 1 : 0);
    expect([answers[0], answers[2]].filter((answer) => answer?.statusCode === 204)).toHaveLength(departures.length);
    if (gone?.count === 1) expect(answers[1]?.statusCode).toBe(200);
  }
}, 60_000);

test(`ending many sessions of one person in every way at once never deadlocks, in ${ROUNDS} rounds`, async () => {
  const instances = await twoInstances({ MAX_SESSIONS_PER_USER: '8' });
  const [one, other] = instances;
  const person = await register(one);
  const [{ passwordHash = '' } = {}] = await sql<{ passwordHash: string }>(
    'SELECT password_hash AS "passwordHash" FROM users WHERE id = $1',
    [person.userId],
  );
  for (let round = 0; round < ROUNDS; round += 1) {
    await sql(
      `INSERT INTO sessions (id, user_id, transport, idle_expires_at, expires_at)
       SELECT gen_random_uuid(), $1, 'cookie', now() + interval '1 day', now() + interval '1 day'
       FROM generate_series(1, 30)`,
      [person.userId],
    );
    const session = await logIn(one, person.email);
    const headers = { authorization: `Bearer ${session.accessToken}` };
    const endOthers = (app: FastifyInstance) =>
      app.inject({ method: 'DELETE', url: '/v1/sessions?keep_current=true', headers });
    const answers = await Promise.all([
      endOthers(one),
      endOthers(other),
      tryLogIn(one, person.email),
      tryLogIn(other, person.email),
      refresh(other, session.refreshToken),
      changePassword(other, session.accessToken, { from: PASSWORD, to: NEW_PASSWORD }),
    ]);
    expectNoFault(...answers);
    await sql('UPDATE users SET password_hash = $2 WHERE id = $1', [person.userId, passwordHash]);
  }
}, 60_000);
