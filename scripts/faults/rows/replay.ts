import { me, refresh } from '../ask.js';
import type { Instance } from '../instance.js';
import { createFaults, type Row } from '../row.js';
import type { Seeded, Stage } from '../stage.js';
import { until } from '../until.js';
import { anHourPasses } from './killed-mid-refresh.js';

const DEAD_WITHIN_MS = 1_000;

export const replayOfPredecessor: Row = {
  name: 'replay-of-predecessor',
  fault: 'a confirmed token’s predecessor is replayed',
  right: 'the session and its access tokens are dead on every instance ≤ 1 s; exactly one event',
  run: (stage) => replay(stage, 1),
};

export const replayOfGrandparent: Row = {
  name: 'replay-of-grandparent',
  fault: 'the token before the predecessor is replayed',
  right: 'the session and its access tokens are dead on every instance ≤ 1 s; exactly one event',
  run: (stage) => replay(stage, 2),
};

async function replay(stage: Stage, generationsBack: 1 | 2) {
  const { faults, hold } = createFaults();
  const [one, other] = await stage.startTwo();
  const rounds = stage.isShort ? 20 : 100;
  const times: number[] = [];
  for (const person of await stage.seed(rounds)) {
    const held = await rotate(stage, one, person, generationsBack);
    // Two thieves at once, at two instances: still one event.
    stage.witness.mayEnd(person.sessionId, 'reuse_detected');
    const replays = await Promise.all([one, other].map(({ url }) => refresh(url, person.refreshToken)));
    for (const { status, code } of replays) {
      const refused = status === 401 && (code === 'refresh_token_reused' || code === 'session_ended');
      hold(refused, `the replay was answered ${status} ${code ?? ''}`);
    }
    hold(
      replays.some(({ code }) => code === 'refresh_token_reused'),
      'no replay was answered refresh_token_reused',
    );
    times.push(...(await Promise.all([one, other].map(({ url }) => deadIn(url, held.accessToken)))));
    const newest = await refresh(other.url, held.refreshToken);
    hold(newest.status === 401, `the newest refresh token was answered ${newest.status}`);
    stage.witness.hasEnded(person.sessionId);
    await expectOneEvent(stage, person.sessionId, faults);
  }
  const slowest = Math.max(...times);
  hold(slowest <= DEAD_WITHIN_MS, `an access token lived for ${slowest.toFixed(0)} ms after the replay was answered`);
  return { figure: `${rounds} rounds; dead on both instances in ≤ ${slowest.toFixed(0)} ms; one event each`, faults };
}

export type Held = { refreshToken: string; accessToken: string };

/** Refreshes so many times, and uses what came of it until the database knows that it arrived. */
export async function rotate(stage: Stage, { url }: Instance, person: Seeded, times: number): Promise<Held> {
  let { refreshToken } = person;
  let accessToken = '';
  for (let time = 0; time < times; time += 1) {
    const answer = stage.witness.heard(await refresh(url, refreshToken));
    if (answer.status !== 200) throw new Error(`a refresh was answered ${answer.status} ${answer.code ?? ''}`);
    refreshToken = answer.refreshToken ?? '';
    accessToken = answer.accessToken ?? '';
  }
  await me(url, accessToken);
  const confirmed = async () => {
    const rows = await stage.sql('SELECT 1 FROM sessions WHERE id = $1 AND confirmed_generation = generation', [
      person.sessionId,
    ]);
    return rows.length === 1;
  };
  await until('the generation is confirmed', confirmed, { within: 5_000 });
  await anHourPasses(stage, [person.sessionId]);
  return { refreshToken, accessToken };
}

/** @returns milliseconds until it is refused */
export async function deadIn(url: string, accessToken: string): Promise<number> {
  const refused = async () => (await me(url, accessToken)).status === 401;
  return (await until('an access token is refused', refused, { within: 10_000, every: 2 })).milliseconds;
}

export async function expectOneEvent(stage: Stage, sessionId: string, faults: string[]): Promise<void> {
  const [row] = await stage.sql<{ events: number; incidents: number }>(
    `SELECT (SELECT count(*) FROM events WHERE session_id = $1 AND type = 'refresh_reuse')::int AS events,
       (SELECT count(*) FROM reuse_incidents WHERE session_id = $1)::int AS incidents`,
    [sessionId],
  );
  if (row?.events !== 1 || row.incidents !== 1) faults.push(`${row?.events} events and ${row?.incidents} incidents`);
}
