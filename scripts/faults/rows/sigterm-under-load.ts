import { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { type Answer, ask, me, refresh } from '../ask.js';
import { freshPerson, register } from '../people.js';
import { createFaults, type Row } from '../row.js';
import type { Seeded, Stage } from '../stage.js';

const EXIT_WITHIN_MS = 10_000;
const PER_SECOND = 400;
const BURST = 60;
/**
 * A connection that waits to be accepted when the process stops listening is reset by the kernel; so much later, it had
 * been accepted.
 */
const NEVER_TAKEN_MS = 250;

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
    let inFlight = 0;
    const exits: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const [leaving, staying] = await stage.startTwo();
      const agent = new Agent({ keepAlive: true });
      const people = await stage.seed(total);
      const { accessToken = '' } = stage.witness.heard(await register(staying.url, freshPerson()));
      const under: Promise<Sent>[] = [];
      const pending = new Set<Sending>();
      let exit: ReturnType<typeof leaving.end> | undefined;
      for (const [index, person] of people.entries()) {
        // Many at once when the signal comes, so that much is in flight; before and after, as many a second.
        const isBurst = index >= total / 2 - BURST && index < total / 2;
        const isForLeaving = isBurst || index % 2 === 0;
        // Registering takes long, for its password is hashed: those are what is in flight, and few besides.
        const kind = index % (isBurst ? 3 : 40) === 0 ? 'register' : index % 4 < 2 ? 'refresh' : 'me';
        const [first, second] = isForLeaving ? [leaving.url, staying.url] : [staying.url, leaving.url];
        const sending: Sending = { urls: [first, second], person, accessToken, agent, kind, wasTaken: false };
        if (isForLeaving) pending.add(sending);
        under.push(send(stage, sending).finally(() => pending.delete(sending)));
        if (index === total / 2 - 1) {
          // What is in flight has arrived.
          await ask(leaving.url, { path: '/livez' });
          for (const each of pending) each.wasTaken = true;
          inFlight += pending.size;
          exit = leaving.end('SIGTERM');
        }
        if (!isBurst && index % 8 === 7) await pause(8_000 / PER_SECOND);
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
    const figure = `${lost} of ${rounds * total} lost, ${inFlight} of them in flight at the signal; ${moved} were never taken and went to the other instance; exit after ≤ ${Math.max(...exits).toFixed(0)} ms`;
    return { figure, faults };
  },
};

type Sent = { retried: boolean; lost: string | undefined };
type Sending = {
  urls: [string, string];
  person: Seeded;
  accessToken: string;
  agent: Agent;
  kind: 'refresh' | 'me' | 'register';
  /** It had arrived when the signal came: nothing excuses that it is not answered. */
  wasTaken: boolean;
};

/**
 * Asks as a load balancer does: where nobody took the request, or somebody said that there is too much to do, the other
 * instance is asked. Taken is what was worked on, as the database shows, and what had time to be.
 */
async function send(stage: Stage, sending: Sending): Promise<Sent> {
  const { urls, person, accessToken, agent, kind } = sending;
  const newcomer = freshPerson();
  const sendTo = (url: string): Promise<Answer> => {
    if (kind === 'refresh') return refresh(url, person.refreshToken, agent);
    return kind === 'me' ? me(url, accessToken, agent) : register(url, newcomer, agent);
  };
  const right = kind === 'register' ? 201 : 200;
  const first = stage.witness.heard(await sendTo(urls[0]));
  if (first.status === right) return { retried: false, lost: undefined };
  const isReset = first.status === 0 && first.milliseconds <= NEVER_TAKEN_MS && !sending.wasTaken;
  const untouched = first.broke === 'ECONNREFUSED' || isReset || first.code === 'overloaded';
  if (!untouched) {
    const after = `after ${first.milliseconds.toFixed(0)} ms`;
    return { retried: false, lost: `${kind} was answered ${first.status} ${first.code ?? first.broke ?? ''} ${after}` };
  }
  const [worked] = await stage.sql<{ worked_on: boolean }>(
    `SELECT EXISTS (SELECT FROM users WHERE email = $1)
       OR EXISTS (SELECT FROM sessions WHERE id = $2 AND generation > 1) AS worked_on`,
    [newcomer.email, person.sessionId],
  );
  if (worked?.worked_on) return { retried: false, lost: `a ${kind} was worked on, and its answer lost` };
  const second = stage.witness.heard(await sendTo(urls[1]));
  if (second.status === right) return { retried: true, lost: undefined };
  return { retried: true, lost: `${kind} was answered ${second.status} ${second.broke ?? ''} by the other instance` };
}
