import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent } from 'node:http';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Answer, percentile, refresh } from '../ask.js';
import { createFaults, type Row } from '../row.js';
import type { Stage } from '../stage.js';

const REFRESHES_PER_SECOND = 100;
const WANTED_RATIO = 1.2;
/** The short form measures a few seconds, in which a single hiccup of a shared machine is the p99. */
const SHORT_RATIO = 4;

export const expiredRowsCleaned: Row = {
  name: 'million-expired-rows-cleaned',
  fault: 'a million expired rows are cleaned',
  right:
    'small batches that pass over what is locked: refresh p99 ≤ + 20 % (short form, fewer rows and seconds: ≤ × 4)',
  async run(stage) {
    const { faults, hold } = createFaults();
    const rows = stage.isShort ? 40_000 : 1_000_000;
    const [quietMs, cleaningMs] = stage.isShort ? [2_000, 2_000] : [8_000, 16_000];
    const instance = await stage.start();
    const people = (await stage.seed(40)).map(({ refreshToken }) => ({ refreshToken, busy: false }));
    await addExpired(stage, rows);
    const cleaner = await startCleaner(stage);
    const agent = new Agent({ keepAlive: true });
    const quiet: number[] = [];
    const cleaning: number[] = [];
    const answers: Answer[] = [];
    let cleaned = 0;
    for (let turn = 0; stage.isShort ? turn < 3 : cleaned < rows; turn += 1) {
      quiet.push(await p99During(quietMs));
      cleaner.send('go');
      cleaning.push(await p99During(cleaningMs));
      cleaner.send('stop');
      const [count] = (await once(cleaner, 'message')) as [number];
      cleaned += count;
      if (!hold(count > 0, 'nothing was cleaned')) break;
    }
    agent.destroy();
    const failed = answers.filter(({ status }) => status !== 200).length;
    hold(failed === 0, `${failed} refreshes were not answered 200`);
    const ratio = median(cleaning) / median(quiet);
    const bound = stage.isShort ? SHORT_RATIO : WANTED_RATIO;
    hold(ratio <= bound, `the p99 of refresh rose to ${ratio.toFixed(2)} times that without (bound: ${bound})`);
    const figure = `${cleaned} rows cleaned; p99 of refresh ${median(quiet).toFixed(1)} ms without, ${median(cleaning).toFixed(1)} ms with: × ${ratio.toFixed(2)}`;
    return { figure, faults };

    async function p99During(milliseconds: number): Promise<number> {
      const times: number[] = [];
      const startedAt = performance.now();
      const under: Promise<void>[] = [];
      for (let begun = 0; performance.now() - startedAt < milliseconds; ) {
        const due = Math.floor(((performance.now() - startedAt) / 1_000) * REFRESHES_PER_SECOND);
        for (; begun < due; begun += 1) under.push(one(begun, times));
        await pause(1);
      }
      await Promise.all(under);
      return percentile(times, 0.99);
    }

    async function one(index: number, times: number[]): Promise<void> {
      const person = people[index % people.length];
      if (person === undefined || person.busy) return;
      person.busy = true;
      const answer = stage.witness.heard(await refresh(instance.url, person.refreshToken, agent));
      person.refreshToken = answer.refreshToken ?? person.refreshToken;
      person.busy = false;
      answers.push(answer);
      times.push(answer.milliseconds);
    }
  },
};

/** They expired long ago, and belong to people like everyone else. */
async function addExpired({ sql }: Stage, count: number): Promise<void> {
  await sql(
    `INSERT INTO sessions (id, user_id, transport, idle_expires_at, expires_at)
     SELECT gen_random_uuid(), (SELECT id FROM users LIMIT 1), 'cookie', now() - interval '200 days', now() - interval '200 days'
     FROM generate_series(1, $1::int)`,
    [count],
  );
  await sql('ANALYZE sessions');
}

async function startCleaner(stage: Stage): Promise<ChildProcess> {
  const file = path.resolve(import.meta.dirname, '../cleaner.ts');
  const cleaner = fork(file, [stage.databaseUrl], {
    execArgv: ['--import', import.meta.resolve('tsx')],
    detached: true,
  });
  stage.atEnd(async () => {
    const gone = once(cleaner, 'close');
    cleaner.kill('SIGKILL');
    await gone;
  });
  await once(cleaner, 'message');
  return cleaner;
}

function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}
