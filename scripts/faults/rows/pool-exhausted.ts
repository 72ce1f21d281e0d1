import { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { type Answer, percentile, refresh } from '../ask.js';
import { countStatuses } from '../load.js';
import { createFaults, type Row } from '../row.js';

const CLIENTS = 500;
const P99_MS = 2_000;
/** Far less than `Retry-After` says: these clients are in a hurry. */
const RETRY_MS = 100;

export const poolExhausted: Row = {
  name: 'pool-exhausted',
  fault: 'a pool of 2 connections, 500 clients at once',
  right: 'a bounded queue, 503 past it; p99 ≤ 2 s, no deadlock',
  async run(stage) {
    const { faults, hold } = createFaults();
    const instance = await stage.start({ DATABASE_POOL_SIZE: '2' });
    const people = await stage.seed(CLIENTS);
    const agent = new Agent({ keepAlive: true });
    const seconds = stage.isShort ? 4 : 20;
    const until = performance.now() + seconds * 1_000;
    const answers: Answer[] = [];
    await Promise.all(
      people.map(async (person) => {
        let { refreshToken } = person;
        while (performance.now() < until) {
          const answer = stage.witness.heard(await refresh(instance.url, refreshToken, agent));
          answers.push(answer);
          refreshToken = answer.refreshToken ?? refreshToken;
          if (answer.status !== 200) await pause(RETRY_MS);
        }
      }),
    );
    const p99 = percentile(
      answers.map(({ milliseconds }) => milliseconds),
      0.99,
    );
    hold(p99 <= P99_MS, `p99 ${p99.toFixed(0)} ms`);
    const wrong = answers.filter(({ status }) => status !== 200 && status !== 503);
    hold(wrong.length === 0, `answers that were neither 200 nor 503: ${countStatuses(wrong)}`);
    const silent = answers.filter(({ status, headers }) => status === 503 && !(Number(headers['retry-after']) > 0));
    hold(silent.length === 0, `${silent.length} × 503 without Retry-After`);
    // A connection that somebody has and nobody gives back would keep this waiting.
    const [last] = people;
    const newest = stage.witness.sessions.get(last?.sessionId ?? '');
    const [token = ''] = newest?.tokens.get(newest.newest) ?? [];
    const afterwards = stage.witness.heard(await refresh(instance.url, token));
    hold(
      afterwards.status === 200 && afterwards.milliseconds < 1_000,
      `afterwards a refresh was answered ${afterwards.status} after ${afterwards.milliseconds.toFixed(0)} ms`,
    );
    agent.destroy();
    const rate = (answers.filter(({ status }) => status === 200).length / seconds).toFixed(0);
    return { figure: `p99 ${p99.toFixed(0)} ms, ${rate} refreshes a second (${countStatuses(answers)})`, faults };
  },
};
