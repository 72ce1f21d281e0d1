/**
 * `npm run bench`: what a flood of sign-ins does to everybody else. The service runs as a process of its own on an empty
 * database, with the default HASH_* settings and BCRYPT_COST; this process asks it, at a steady rate, for gated requests
 * and refreshes, alone and beside the flood by turns. Fails when a refresh failed or the gate's p99 was too long.
 *
 * Everything shares one machine here, this process and Postgres included: a service with its cores to itself does better.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { availableParallelism } from 'node:os';
import { findFreePort } from './embedded-postgres.js';
import { createThrowawayDatabase } from './throwaway-database.js';

const MAX_GATE_P99_MS = 50;
/** Alone and beside the flood by turns, so that what else the machine does hits both. */
const TURNS = 3;
const TURN_MS = 5_000;
const GATE_PER_SECOND = 200;
const REFRESHES_PER_SECOND = 40;
/** Far more than can be hashed. */
const LOGINS_PER_SECOND = 100;
/** No more than may wait at once, by default, on one core. */
const PEOPLE = 8;
const PASSWORD = 'correct horse battery staple';

type Answer = { status: number; milliseconds: number; cookie: string | undefined; body: string };
type Person = { email: string; accessToken: string; cookie: string; refreshing: boolean };

const database = await createThrowawayDatabase();
const port = await findFreePort();
const agent = new Agent({ keepAlive: true });
const service = startService();
let failed = true;
try {
  await ready();
  const people = await signUp();
  const [alone, flooded] = [newPhase(), newPhase()];
  for (let turn = 0; turn < TURNS; turn += 1) {
    await measure(people, alone, false);
    await measure(people, flooded, true);
  }
  failed = report(alone, flooded);
} finally {
  agent.destroy();
  const ended = new Promise((resolve) => service.once('close', resolve));
  service.kill('SIGTERM');
  await ended;
  await database.drop();
}
process.exitCode = failed ? 1 : 0;

function startService(): ChildProcess {
  return spawn(process.execPath, ['--import', 'tsx', 'src/server.ts'], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      PATH: process.env.PATH,
      PORT: String(port),
      DATABASE_URL: database.url,
      MIGRATE_ON_START: 'true',
      APP_SECRETS: randomBytes(32).toString('base64url'),
      ISSUER_URL: `http://localhost:${port}`,
      COOKIE_SECURE: 'false',
      SIGN_IN_FAILURES_PER_ADDRESS: '0',
      RATE_LIMIT_PER_MINUTE: '0',
      RATE_LIMIT_CREDENTIALS_PER_MINUTE: '0',
      LOG_LEVEL: 'error',
    },
  });
}

async function ready(): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const answer = await ask('GET', '/readyz');
    if (answer.status === 200) return;
    if (performance.now() > deadline) throw new Error('The service did not become ready.');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function signUp(): Promise<Person[]> {
  return Promise.all(
    Array.from({ length: PEOPLE }, async (_, number) => {
      const email = `person${number}@example.com`;
      const { status, body, cookie = '' } = await ask('POST', '/v1/auth/register', {}, { email, password: PASSWORD });
      if (status !== 201) throw new Error(`Registering answered ${status}.`);
      return { email, accessToken: JSON.parse(body).access_token, cookie, refreshing: false };
    }),
  );
}

type Phase = { gate: Answer[]; refreshes: Answer[]; logins: Answer[] };

function newPhase(): Phase {
  return { gate: [], refreshes: [], logins: [] };
}

async function measure(people: Person[], phase: Phase, flood: boolean): Promise<void> {
  const pick = (index: number): Person => people[index % people.length] as Person;
  await Promise.all([
    atRate(GATE_PER_SECOND, async (index) => {
      phase.gate.push(await ask('GET', '/v1/me', { authorization: `Bearer ${pick(index).accessToken}` }));
    }),
    atRate(REFRESHES_PER_SECOND, async (index) => {
      const person = pick(index);
      // One app refreshes one thing at a time.
      if (person.refreshing) return;
      person.refreshing = true;
      const answer = await ask('POST', '/v1/auth/refresh', { cookie: person.cookie });
      person.cookie = answer.cookie ?? person.cookie;
      person.refreshing = false;
      phase.refreshes.push(answer);
    }),
    ...(flood
      ? [
          atRate(LOGINS_PER_SECOND, async (index) => {
            // Mostly another address each time, or guessing would be stopped before anything is hashed; now and then
            // somebody who is really there.
            const email = index % 50 === 0 ? pick(index).email : `${randomUUID()}@example.com`;
            phase.logins.push(await ask('POST', '/v1/auth/login', {}, { email, password: PASSWORD }));
          }),
        ]
      : []),
  ]);
}

/** Begins so many a second whether or not the earlier ones were answered, as strangers do. */
async function atRate(perSecond: number, work: (index: number) => Promise<void>): Promise<void> {
  const startedAt = performance.now();
  const under: Promise<void>[] = [];
  let begun = 0;
  while (performance.now() - startedAt < TURN_MS) {
    const due = Math.floor(((performance.now() - startedAt) / 1_000) * perSecond);
    for (; begun < due; begun += 1) under.push(work(begun));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(under);
}

function ask(method: string, path: string, headers: Record<string, string> = {}, json?: object): Promise<Answer> {
  const body = json === undefined ? undefined : JSON.stringify(json);
  const type = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length };
  return new Promise((resolve) => {
    const startedAt = performance.now();
    const sent = request({ agent, port, method, path, headers: { ...headers, ...type } }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          milliseconds: performance.now() - startedAt,
          cookie: response.headers['set-cookie']?.find((cookie) => cookie.startsWith('refresh_token='))?.split(';')[0],
          body: text,
        }),
      );
    });
    // Cut off: an answer of status 0.
    sent.once('error', () => resolve({ status: 0, milliseconds: Number.NaN, cookie: undefined, body: '' }));
    sent.end(body);
  });
}

/** @returns whether a bound was missed */
function report(alone: Phase, flooded: Phase): boolean {
  const p99 = ({ gate }: Phase) => percentile(gate, 0.99);
  const refreshed = [...alone.refreshes, ...flooded.refreshes];
  const failures = refreshed.filter(({ status }) => status !== 200).length;
  const gateFailures = [...alone.gate, ...flooded.gate].filter(({ status }) => status !== 200).length;
  const accepted = flooded.logins.filter(({ status }) => status === 200 || status === 401);
  const overloaded = flooded.logins.filter(({ status }) => status === 503);
  const figure = (value: number) => value.toFixed(1).padStart(7);
  console.log(`
${availableParallelism()} cores, Node ${process.versions.node}; ${GATE_PER_SECOND} gated requests and ${REFRESHES_PER_SECOND} refreshes a second
                        alone   beside ${LOGINS_PER_SECOND} sign-ins a second
gate p50, ms          ${figure(percentile(alone.gate, 0.5))} ${figure(percentile(flooded.gate, 0.5))}
gate p99, ms          ${figure(p99(alone))} ${figure(p99(flooded))}   × ${(p99(flooded) / p99(alone)).toFixed(1)} (bound: ${MAX_GATE_P99_MS} ms)
refresh p99, ms       ${figure(percentile(alone.refreshes, 0.99))} ${figure(percentile(flooded.refreshes, 0.99))}

refreshes             ${refreshed.length - failures} of ${refreshed.length} succeeded
sign-ins              ${(accepted.length / ((TURNS * TURN_MS) / 1_000)).toFixed(1)} a second hashed (p50 ${percentile(accepted, 0.5).toFixed(0)} ms), ${((overloaded.length / flooded.logins.length) * 100).toFixed(0)} % told 503 (p99 ${percentile(overloaded, 0.99).toFixed(0)} ms)
`);
  const other = flooded.logins.length - accepted.length - overloaded.length;
  if (failures > 0) console.error(`${failures} refreshes failed.`);
  if (gateFailures > 0) console.error(`${gateFailures} gated requests failed.`);
  if (other > 0) console.error(`${other} sign-ins had an answer that was neither.`);
  const measured = Math.min(refreshed.length, accepted.length, flooded.gate.length);
  if (measured === 0)
    console.error('There is nothing to measure: no refresh, no sign-in or no gated request was answered.');
  const tooSlow = !(p99(flooded) <= MAX_GATE_P99_MS);
  if (tooSlow) console.error(`The gate's p99 under the flood is above ${MAX_GATE_P99_MS} ms.`);
  return measured === 0 || failures > 0 || gateFailures > 0 || other > 0 || tooSlow;
}

function percentile(answers: Answer[], share: number): number {
  const times = answers.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
  return times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN;
}
