import { Agent } from 'node:http';
import { type Answer, ask, refresh } from '../ask.js';
import type { Instance } from '../instance.js';
import type { TcpProxy, Trap } from '../proxy.js';
import { createFaults, type Row } from '../row.js';
import type { Seeded, Stage } from '../stage.js';
import { until } from '../until.js';
import { readRefreshToken } from '../witness.js';

const AT_ONCE = 20;
/** How many statements of rotations an instance has under way (rotation-batches.ts). */
const STATEMENTS_AT_ONCE = 3;

/** The instance dies while the statement is on its way: Postgres has never heard of it. */
export const killedBeforeCommit: Row = {
  name: 'killed-before-commit',
  fault: '`kill -9` before commit',
  right: 'the old token works',
  run: (stage) =>
    killAndRetry(stage, 'withholdRequest', { generationAfterKill: 1, succeeds: 'the old token gave generation 2' }),
};

/** The statement is committed, and the instance dies before it hears so. */
export const killedAfterCommit: Row = {
  name: 'killed-after-commit',
  fault: '`kill -9` after commit: the answer is lost',
  right: 'the retry gets the same successor, also an hour later',
  run: (stage) =>
    killAndRetry(stage, 'withholdAnswer', { generationAfterKill: 2, succeeds: 'the retry got the same successor' }),
};

type Expected = { generationAfterKill: number; succeeds: string };

async function killAndRetry(stage: Stage, what: Trap['what'], { generationAfterKill, succeeds }: Expected) {
  const { faults } = createFaults();
  const total = stage.isShort ? 60 : 200;
  const survivor = await stage.start();
  const proxy = await stage.startProxy(stage.databaseUrl);
  let good = 0;
  for (let done = 0; done < total; done += AT_ONCE) {
    const people = await stage.seed(AT_ONCE);
    const victim = await stage.start({ DATABASE_URL: proxy.url, DATABASE_POOL_SIZE: '10' });
    await killWhileAsked(stage, { proxy, victim, people, what });
    const ids = people.map(({ sessionId }) => sessionId);
    const allMoved = async () => {
      const rows = await stage.sql('SELECT 1 FROM sessions WHERE id = ANY($1::uuid[]) AND generation = $2', [
        ids,
        generationAfterKill,
      ]);
      return rows.length === AT_ONCE;
    };
    // Postgres may be about to commit what it has answered already.
    await until(`all are at generation ${generationAfterKill}`, allMoved, { within: 2_000 });
    // Every other time the app comes back an hour later only.
    const isLate = (done / AT_ONCE) % 2 === 1;
    if (isLate) await anHourPasses(stage, ids);
    for (const { refreshToken } of people) {
      const retried = await retry(stage, survivor, refreshToken);
      if (retried.status === 200 && generationOf(retried) === 2) good += 1;
      else faults.push(`a retry was answered ${retried.status} ${retried.code ?? ''}`);
    }
  }
  return {
    figure: `${good} of ${total}: ${succeeds}${generationAfterKill === 2 ? ', half of them an hour later' : ''}`,
    faults,
  };
}

type Killing = { proxy: TcpProxy; victim: Instance; people: Seeded[]; what: Trap['what'] };

/**
 * Rotations that wait at the same moment share a statement. So others come first, whose statements are kept back; while
 * they hold things up all the rest gather, and go at once when the first ones are cut off.
 */
async function killWhileAsked(stage: Stage, { proxy, victim, people, what }: Killing): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  const send = (each: Seeded[]) => each.map(({ refreshToken }) => refresh(victim.url, refreshToken, agent));
  const first = await stage.seed(STATEMENTS_AT_ONCE);
  const holdingUp = proxy.set({ what: 'withholdRequest', take: namesOneOf(first).take });
  const asked = send(first);
  await until('the first statements are on their way', () => holdingUp.length === first.length, { within: 10_000 });

  const all = namesOneOf(people);
  const caught = proxy.set({ what, take: all.take });
  asked.push(...send(people));
  // Whoever is answered now came after them.
  for (let time = 0; time < 3; time += 1) await ask(victim.url, { path: '/livez' });
  for (const { cut } of holdingUp) cut();
  await until('all the others are on their way', () => all.named.size === people.length, { within: 10_000 });
  if (what === 'withholdAnswer') await Promise.all(caught.map(({ answer }) => answer));
  await victim.end('SIGKILL');
  proxy.release();
  proxy.cut();
  proxy.mend();
  for (const answer of await Promise.all(asked)) stage.witness.heard(answer);
  agent.destroy();
}

/** Takes what names one of these sessions, and remembers which were named. */
function namesOneOf(people: readonly Seeded[]) {
  const named = new Set<string>();
  return {
    named,
    take(piece: Buffer): boolean {
      const here = people.filter(({ sessionId }) => piece.includes(sessionId));
      for (const { sessionId } of here) named.add(sessionId);
      return here.length > 0;
    },
  };
}

/** As an app does that finds no answer: the same token again, twice, since that answer may be lost as well. */
async function retry(stage: Stage, { url }: Instance, refreshToken: string): Promise<Answer> {
  const first = stage.witness.heard(await refresh(url, refreshToken));
  const second = stage.witness.heard(await refresh(url, refreshToken));
  return first.refreshToken === second.refreshToken ? first : second;
}

export function generationOf({ refreshToken }: Answer): number {
  return refreshToken === undefined ? 0 : readRefreshToken(refreshToken).generation;
}

/** As far as these sessions can tell. */
export async function anHourPasses({ sql }: Stage, sessionIds: string[]): Promise<void> {
  await sql("UPDATE sessions SET rotated_at = rotated_at - interval '1 hour' WHERE id = ANY($1::uuid[])", [sessionIds]);
}
