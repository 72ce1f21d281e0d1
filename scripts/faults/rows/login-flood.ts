import { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { type Answer, me, percentile, refresh } from '../ask.js';
import { countStatuses } from '../load.js';
import { freshPerson, logIn } from '../people.js';
import { createFaults, type Row } from '../row.js';
import { rotate } from './replay.js';

const GATE_PER_SECOND = 200;
const REFRESHES_PER_SECOND = 40;
const SIGN_INS_PER_SECOND = 100;
/**
 * What is wanted of a service that has its cores to itself; and what the short form holds it to, on a machine where
 * clients, Postgres and whatever else is built share two cores with it.
 */
const GATE_P99_MS = 50;
const SHARED_GATE_P99_MS = 400;
const REFRESHED_SHARE = 0.999;

export const loginFlood: Row = {
  name: 'login-flood',
  fault: `a flood of sign-ins (${SIGN_INS_PER_SECOND} a second, bcrypt 12)`,
  right: `bounded hashing: gate p99 ≤ ${GATE_P99_MS} ms (short form, on shared cores: ≤ ${SHARED_GATE_P99_MS} ms), refreshes ≥ 99.9 %`,
  async run(stage) {
    const { faults, hold } = createFaults();
    const instance = await stage.start({ BCRYPT_COST: '12', HASH_CONCURRENCY: '', HASH_QUEUE: '' });
    const agent = new Agent({ keepAlive: true });
    const seconds = stage.isShort ? 6 : 20;
    const people = await Promise.all(
      (await stage.seed(40)).map(async (person) => ({ ...(await rotate(stage, instance, person, 1)), busy: false })),
    );
    const [alone, gate, refreshes, signIns]: Answer[][] = [[], [], [], []];
    const askGate = (answers: Answer[] | undefined, forSeconds: number) =>
      atRate(GATE_PER_SECOND, forSeconds, async (index) => {
        const person = people[index % people.length];
        if (person) answers?.push(await me(instance.url, person.accessToken, agent));
      });
    // What the machine gives without a flood, to judge the other figure by.
    await askGate(alone, seconds / 2);
    await Promise.all([
      askGate(gate, seconds),
      atRate(REFRESHES_PER_SECOND, seconds, async (index) => {
        const person = people[index % people.length];
        if (person === undefined || person.busy) return;
        person.busy = true;
        const answer = stage.witness.heard(await refresh(instance.url, person.refreshToken, agent));
        person.refreshToken = answer.refreshToken ?? person.refreshToken;
        person.busy = false;
        refreshes?.push(answer);
      }),
      atRate(SIGN_INS_PER_SECOND, seconds, async () => {
        signIns?.push(await logIn(instance.url, freshPerson()));
      }),
    ]);
    agent.destroy();
    const [p99Alone, p99] = [alone, gate].map((answers = []) =>
      percentile(
        answers.map(({ milliseconds }) => milliseconds),
        0.99,
      ),
    ) as [number, number];
    const bound = stage.isShort ? SHARED_GATE_P99_MS : GATE_P99_MS;
    hold(p99 <= bound, `the gate's p99 is ${p99.toFixed(0)} ms (bound: ${bound} ms)`);
    const open = gate?.filter(({ status }) => status !== 200) ?? [];
    hold(open.length === 0, `gated requests were answered ${countStatuses(open)}`);
    const refreshed = (refreshes?.filter(({ status }) => status === 200).length ?? 0) / (refreshes?.length || 1);
    hold(refreshed >= REFRESHED_SHARE, `${(refreshed * 100).toFixed(2)} % of refreshes succeeded`);
    const odd = signIns?.filter(({ status }) => status !== 401 && status !== 503) ?? [];
    hold(odd.length === 0, `sign-ins were answered ${countStatuses(odd)}`);
    const hashed = signIns?.filter(({ status }) => status === 401).length ?? 0;
    const figure = `gate p99 ${p99.toFixed(0)} ms (${p99Alone.toFixed(0)} ms without the flood); ${(refreshed * 100).toFixed(1)} % of ${refreshes?.length} refreshes; ${(hashed / seconds).toFixed(0)} sign-ins a second hashed, the rest 503`;
    return { figure, faults };
  },
};

/** Begins so many a second whether or not the earlier ones were answered, as strangers do. */
async function atRate(perSecond: number, seconds: number, work: (index: number) => Promise<void>): Promise<void> {
  const startedAt = performance.now();
  const under: Promise<void>[] = [];
  for (let begun = 0; begun < perSecond * seconds; ) {
    const due = Math.min(perSecond * seconds, Math.floor(((performance.now() - startedAt) / 1_000) * perSecond));
    for (; begun < due; begun += 1) under.push(work(begun));
    await pause(1);
  }
  await Promise.all(under);
}
