import { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { type Answer, me, refresh } from '../ask.js';
import { freshPerson, register } from '../people.js';
import { createFaults, type Row } from '../row.js';
import type { Seeded, Stage } from '../stage.js';

const EXIT_WITHIN_MS = 10_000;
const PER_SECOND = 400;

export const sigtermUnderLoad: Row = {
  name: 'sigterm-under-load',
  fault: 'SIGTERM with requests in flight',
  right: 'not ready, drains, closes: what was taken is answered; exit ≤ 10 s with code 0',
  async run(stage) {
    const { faults, hold } = createFaults();
    const rounds = stage.isShort ? 1 : 5;
    const total = 1_000;
    let moved = 0;
    let lost = 0;
    const exits: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const [leaving, staying] = await stage.startTwo();
      const agent = new Agent({ keepAlive: true });
      const people = await stage.seed(total);
      const { accessToken = '' } = stage.witness.heard(await register(staying.url, freshPerson()));
      const under: Promise<Sent>[] = [];
      let exit: ReturnType<typeof leaving.end> | undefined;
      for (const [index, person] of people.entries()) {
        const [first, second] = index % 2 === 0 ? [leaving.url, staying.url] : [staying.url, leaving.url];
        under.push(
          send(stage, { urls: [first, second], person, accessToken, agent, kind: KINDS[index % KINDS.length] ?? 'me' }),
        );
        if (index === total / 2) exit = leaving.end('SIGTERM');
        // As many a second, whether or not the earlier ones were answered.
        if (index % 8 === 7) await pause(8_000 / PER_SECOND);
      }
      const sent = await Promise.all(under);
      agent.destroy();
      moved += sent.filter(({ retried }) => retried).length;
      lost += sent.filter((each) => each.lost !== undefined).length;
      for (const each of sent) if (each.lost !== undefined) faults.push(each.lost);
      const { code, milliseconds } = (await exit) ?? { code: null, milliseconds: Number.NaN };
      exits.push(milliseconds);
      hold(code === 0, `the instance ended with ${code}`);
      hold(milliseconds <= EXIT_WITHIN_MS, `the instance took ${milliseconds.toFixed(0)} ms to end`);
      await staying.end('SIGTERM');
    }
    await stage.start();
    const figure = `${lost} of ${rounds * total} lost; ${moved} found the door closed and went to the other instance; exit after ≤ ${Math.max(...exits).toFixed(0)} ms`;
    return { figure, faults };
  },
};

const KINDS = ['refresh', 'me', 'refresh', 'register'] as const;

type Sent = { retried: boolean; lost: string | undefined };
type Sending = {
  urls: [string, string];
  person: Seeded;
  accessToken: string;
  agent: Agent;
  kind: (typeof KINDS)[number];
};

/**
 * Asks as a load balancer does: where nobody took the request, the other instance is asked. Taken is what was worked on; a
 * request that met a kept-open connection in the moment in which it was closed was not, and the database shows that.
 */
async function send(stage: Stage, { urls, person, accessToken, agent, kind }: Sending): Promise<Sent> {
  const ask = (url: string): Promise<Answer> => {
    if (kind === 'refresh') return refresh(url, person.refreshToken, agent);
    return kind === 'me' ? me(url, accessToken, agent) : register(url, freshPerson(), agent);
  };
  const right = kind === 'register' ? 201 : 200;
  const first = stage.witness.heard(await ask(urls[0]));
  if (first.status === right) return { retried: false, lost: undefined };
  const untouched = first.status === 0 && (first.broke === 'ECONNREFUSED' || first.reused);
  if (!untouched)
    return { retried: false, lost: `${kind} was answered ${first.status} ${first.code ?? first.broke ?? ''}` };
  if (kind === 'refresh') {
    const [row] = await stage.sql<{ generation: number }>('SELECT generation FROM sessions WHERE id = $1', [
      person.sessionId,
    ]);
    if (row?.generation !== 1) return { retried: false, lost: 'a refresh was worked on, and its answer lost' };
  }
  const second = stage.witness.heard(await ask(urls[1]));
  if (second.status === right) return { retried: true, lost: undefined };
  return { retried: true, lost: `${kind} was answered ${second.status} ${second.broke ?? ''} by the other instance` };
}
