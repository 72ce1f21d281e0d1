import { randomInt } from 'node:crypto';
import type { FastifyInstance, LightMyRequestResponse as Response } from 'fastify';
import { Piscina } from 'piscina';
import { expect, onTestFinished, test, vi } from 'vitest';
import { failuresOf, pretendFailures, subjectOf, waitOut } from '../../support/attempts.js';
import { sql } from '../../support/database.js';
import { buildTestApp, freshEmail, PASSWORD, register } from '../../support/test-app.js';
import { expectProblem, post } from './support.js';

const KNOWN_DEVICE = '__Host-known_device';
const BEHIND_PROXY = { TRUSTED_PROXIES: '127.0.0.1', SIGN_IN_FAILURES_PER_ADDRESS: '100' };
const FREE = 5;

const freshIp = () => `10.${randomInt(256)}.${randomInt(256)}.${randomInt(256)}`;
const accountSubject = (email: string) => subjectOf(`account|sign_in|${email}`);
const addressSubject = (ip: string) => subjectOf(`address|sign_in|${ip}`);

type LogIn = { password?: string; ip?: string; cookie?: string };

function logIn(app: FastifyInstance, email: string, { password = 'a wrong guess', ip, cookie }: LogIn = {}) {
  const headers = { ...(ip ? { 'x-forwarded-for': ip } : {}), ...(cookie ? { cookie } : {}) };
  return post(app, '/v1/auth/login', { email, password }, { headers });
}

async function twoInstances(environment: NodeJS.ProcessEnv = {}): Promise<[FastifyInstance, FastifyInstance]> {
  const [{ app: here }, { app: there }] = [await buildTestApp(environment), await buildTestApp(environment)];
  return [here, there];
}

/** Guesses until there is a delay, on both instances in turn. */
async function failUntilDelayed([here, there]: FastifyInstance[], email: string): Promise<void> {
  for (let time = 0; time < FREE; time += 1) {
    const app = (time % 2 ? here : there) ?? expect.unreachable();
    expectProblem(await logIn(app, email), 401, 'invalid_credentials');
  }
}

/** An answer without what differs between any two, one after the other. */
function comparable({ statusCode, headers, body }: Response) {
  const { date: _date, 'x-request-id': _id, 'retry-after': _seconds, ...rest } = headers;
  return { statusCode, headers: rest, body: body.replace(/"request_id":"[^"]+"/, '') };
}

test('lets a victim with a known device in every time while strangers guess from everywhere', async () => {
  const [here, there] = await twoInstances(BEHIND_PROXY);
  const ip = freshIp();
  const email = freshEmail();
  const registered = await post(here, '/v1/auth/register', { email, password: PASSWORD });
  const cookie = `${KNOWN_DEVICE}=${registered.cookies.find(({ name }) => name === KNOWN_DEVICE)?.value}`;
  const attacks: number[] = [];
  const victim: number[] = [];
  const round = async (app: FastifyInstance, other: FastifyInstance) => {
    const [own, ...foreign] = await Promise.all([
      logIn(app, email, { password: PASSWORD, ip, cookie }),
      logIn(other, email, { ip: freshIp() }),
      // One of them sits next to the victim.
      logIn(app, email, { ip }),
    ]);
    victim.push(own.statusCode);
    attacks.push(...foreign.map(({ statusCode }) => statusCode));
  };
  for (let rounds = 0; rounds < 200; rounds += 2) {
    // The attackers wait for nothing.
    if (rounds % 10 === 0) await waitOut([accountSubject(email), addressSubject(ip)]);
    if (rounds === 150) await pretendFailures(accountSubject(email), 99);
    await Promise.all([round(here, there), round(there, here)]);
  }
  expect(victim).toEqual(Array(200).fill(200));
  expect(new Set(attacks)).toEqual(new Set([401, 429]));
  expect(attacks.filter((status) => status === 401).length).toBeLessThan(40);
  // By now no stranger gets in without a reset, not even with the right password.
  const stranger = await logIn(here, email, { password: PASSWORD, ip: freshIp() });
  expect(stranger.json()).toMatchObject({ code: 'too_many_attempts', reason: 'reset_required' });
}, 60_000);

test('delays strangers on both instances together, tells how long, and lets the right password in after that', async () => {
  const instances = await twoInstances();
  const { email } = await register(instances[0]);
  await failUntilDelayed(instances, email);
  for (const app of instances) {
    for (const password of [PASSWORD, 'a wrong guess']) {
      const response = await logIn(app, email, { password });
      expectProblem(response, 429, 'too_many_attempts');
      expect(response.headers['retry-after']).toBe('1');
    }
  }
  await waitOut([accountSubject(email)]);
  expectProblem(await logIn(instances[1], email), 401, 'invalid_credentials');
  expect((await logIn(instances[0], email, { password: PASSWORD })).headers['retry-after']).toBe('2');
  await waitOut([accountSubject(email)]);
  expect((await logIn(instances[0], email, { password: PASSWORD })).statusCode).toBe(200);
  expect(await failuresOf(accountSubject(email))).toBe(0);
});

test('answers byte for byte the same to the right and the wrong password and to nobody, and hashes nothing', async () => {
  const [here, there] = await twoInstances();
  const { email } = await register(here);
  const addresses = [email, freshEmail(), `no address ${freshEmail()}`];
  for (const address of addresses) {
    await pretendFailures(accountSubject(address), 9);
    await logIn(here, address);
  }
  const hashes = vi.spyOn(Piscina.prototype, 'run');
  onTestFinished(() => hashes.mockRestore());
  const ask = async () => {
    const answers: Response[] = [];
    for (const address of addresses) {
      for (const password of [PASSWORD, 'a wrong guess']) answers.push(await logIn(there, address, { password }));
    }
    return answers;
  };

  const delayed = await ask();
  for (const answer of delayed) {
    expectProblem(answer, 429, 'too_many_attempts');
    // 32 seconds, of which a few may be over.
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(27);
    expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(32);
    expect(comparable(answer)).toEqual(comparable(delayed[0] ?? answer));
  }

  await sql("UPDATE attempts SET blocked_until = 'infinity' WHERE subject = ANY($1)", [addresses.map(accountSubject)]);
  const stopped = await ask();
  for (const answer of stopped) {
    expect(answer.statusCode).toBe(429);
    expect(answer.json()).toMatchObject({ code: 'too_many_attempts', reason: 'reset_required' });
    expect(answer.headers).not.toHaveProperty('retry-after');
    expect(comparable(answer)).toEqual(comparable(stopped[0] ?? answer));
  }
  expect(hashes).not.toHaveBeenCalled();
});

test('answers known and unknown addresses alike at every step of the same sequence', async () => {
  const [app, other] = await twoInstances({
    REQUIRE_VERIFIED_EMAIL: 'true',
    SMTP_URL: 'memory:',
    MAIL_FROM: 'no-reply@example.test',
    APP_URL: 'http://app.example.test/',
    ISSUER_URL: 'http://localhost:3000',
    COOKIE_SECURE: 'false',
  });
  const { app: open } = await buildTestApp();
  const { email: known } = await register(open);
  const signUp = (email: string) => post(app, '/v1/auth/register', { email, password: 'another fine phrase' });
  const guess = (email: string) => logIn(other, email);
  const pass = async (email: string) => {
    await waitOut([accountSubject(email)]);
    return guess(email);
  };
  const steps = [guess, signUp, guess, guess, signUp, guess, guess, pass, guess, signUp, pass, pass];
  const walk = async (email: string) => {
    const answers: ReturnType<typeof comparable>[] = [];
    for (const step of steps) answers.push(comparable(await step(email)));
    return answers;
  };
  const [one, two] = [await walk(known), await walk(freshEmail())];
  expect(two).toEqual(one);
  const [w, r, d] = [401, 202, 429];
  expect(one.map(({ statusCode }) => statusCode)).toEqual([w, r, w, w, r, w, w, w, d, r, w, w]);
});

test('makes no more checks than the budget has when 100 guesses come at once', async () => {
  const instances = await twoInstances();
  const { email } = await register(instances[0]);
  const hashes = vi.spyOn(Piscina.prototype, 'run');
  onTestFinished(() => hashes.mockRestore());
  const startedAt = performance.now();
  const guesses = Array.from({ length: 100 }, (_, n) => logIn(n % 2 ? instances[0] : instances[1], email));
  const statuses = (await Promise.all(guesses)).map(({ statusCode }) => statusCode);
  const seconds = (performance.now() - startedAt) / 1_000;
  const wrong = statuses.filter((status) => status === 401).length;
  expect(wrong + statuses.filter((status) => status === 429).length).toBe(100);
  expect(hashes).toHaveBeenCalledTimes(wrong);
  // A machine that is busy may let a delay pass meanwhile.
  expect(wrong).toBeLessThanOrEqual(FREE + Math.floor(Math.log2(seconds + 1)));
  expect(wrong).toBeGreaterThanOrEqual(FREE);
});

test('gives back what was refused for lack of time: only what was checked counts', async () => {
  const { app } = await buildTestApp({ HASH_CONCURRENCY: '1', HASH_QUEUE: '1', BCRYPT_COST: '9' });
  const { email } = await register(app);
  const guesses = await Promise.all(Array.from({ length: 5 }, () => logIn(app, email)));
  const counts = (status: number) => guesses.filter(({ statusCode }) => statusCode === status).length;
  expect(counts(503)).toBeGreaterThan(0);
  expect(counts(401) + counts(503)).toBe(5);
  expect(await failuresOf(accountSubject(email))).toBe(counts(401));
});

test('counts the guesses of one client address at many accounts, IPv6 by its /64, and keeps the others out of it', async () => {
  const [here, there] = await twoInstances({ ...BEHIND_PROXY, SIGN_IN_FAILURES_PER_ADDRESS: '8' });
  const { email } = await register(here);
  const network = `2001:db8:${randomInt(1, 0xffff).toString(16)}:${randomInt(1, 0xffff).toString(16)}`;
  for (let n = 0; n < 8; n += 1) {
    const response = await logIn(n % 2 ? here : there, freshEmail(), { ip: `${network}::${n + 1}` });
    expect(response.statusCode).toBe(401);
  }
  const delayed = await logIn(here, email, { password: PASSWORD, ip: `${network}:ffff::1` });
  expectProblem(delayed, 429, 'too_many_attempts');
  expect(delayed.headers['retry-after']).toBe('1');
  expect(await failuresOf(accountSubject(email))).toBe(0);
  expect((await logIn(here, email, { password: PASSWORD, ip: freshIp() })).statusCode).toBe(200);
});

test('does not count sign-ins that were right against the client address that many people share', async () => {
  const { app } = await buildTestApp({ ...BEHIND_PROXY, SIGN_IN_FAILURES_PER_ADDRESS: '3' });
  const ip = freshIp();
  const people = await Promise.all(Array.from({ length: 5 }, () => register(app)));
  for (let round = 0; round < 3; round += 1) {
    for (const { email } of people) expect((await logIn(app, email, { password: PASSWORD, ip })).statusCode).toBe(200);
  }
  expect(await failuresOf(addressSubject(ip))).toBe(0);
});

test('does not count client addresses where that is switched off', async () => {
  const { app } = await buildTestApp({ ...BEHIND_PROXY, SIGN_IN_FAILURES_PER_ADDRESS: '0' });
  const ip = freshIp();
  const answers = await Promise.all(Array.from({ length: 120 }, () => logIn(app, freshEmail(), { ip })));
  expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([401]));
});
