import { byTurns, median, ratios } from '../interleave.js';
import { findPgbench, runPgbench } from '../pgbench.js';
import type { BenchDatabase } from '../postgres.js';
import { atLeast, atMost, type Measured, type Row } from '../row.js';
import type { Stage } from '../stage.js';

const SESSIONS = 10_000;

type Rotated = { rotated: number; perSecond: number };

export const rotation: Row = {
  name: 'rotation',
  title: 'Rotations, database side, 64 in flight',
  targets: { 'pgbench -M prepared with the single statement': atLeast(2.5) },
  async measure(stage) {
    const pgbench = findPgbench();
    if (pgbench === undefined) return { skipped: 'there is no pgbench (Debian: apt-get install postgresql-contrib)' };
    const [batched, pgbenched] = [await rotations(stage, SESSIONS), await rotations(stage, SESSIONS)];
    const seconds = stage.effort.short ? 1 : 5;
    const rates = await byTurns(stage.effort, {
      batched: async () => (await batched.rotate({ batched: true, seconds })).perSecond,
      pgbench: () => runPgbench(pgbench, pgbenched.database.url, SESSIONS, seconds, stage.cores?.server),
    });
    const rounds = ratios(rates.batched, rates.pgbench);
    const details = { rotations_per_second: median(rates.batched), pgbench_per_second: median(rates.pgbench) };
    return { 'pgbench -M prepared with the single statement': { value: median(rounds), rounds, details } };
  },
};

export const rotationCost: Row = {
  name: 'rotation-cost',
  title: 'What a rotation costs Postgres when batched',
  targets: { 'CPU time of the single statement': atMost(0.25), 'WAL of the single statement': atMost(0.75) },
  async measure(stage) {
    if (stage.postgres.cpuSeconds() === undefined) {
      return { skipped: 'the CPU time of Postgres is read from /proc, and only of the embedded one' };
    }
    const { database, rotate } = await rotations(stage, SESSIONS);
    const seconds = stage.effort.short ? 1 : 4;
    const wal = { batched: [] as number[], single: [] as number[] };
    const microseconds = async (name: 'batched' | 'single') => {
      const before = [stage.postgres.cpuSeconds() ?? 0, await walBytes(database)] as const;
      const { rotated } = await rotate({ batched: name === 'batched', seconds });
      wal[name].push(((await walBytes(database)) - before[1]) / rotated);
      return (((stage.postgres.cpuSeconds() ?? 0) - before[0]) / rotated) * 1e6;
    };
    const cpu = await byTurns(stage.effort, {
      batched: () => microseconds('batched'),
      single: () => microseconds('single'),
    });
    // The warm-up is among them.
    const lastOf = (bytes: number[]) => bytes.slice(-stage.effort.rounds);
    const cpuRounds = ratios(cpu.batched, cpu.single);
    const walRounds = ratios(lastOf(wal.batched), lastOf(wal.single));
    const found: Record<string, Measured> = {
      'CPU time of the single statement': {
        value: median(cpuRounds),
        rounds: cpuRounds,
        details: { batched_microseconds: median(cpu.batched), single_microseconds: median(cpu.single) },
      },
      'WAL of the single statement': {
        value: median(walRounds),
        rounds: walRounds,
        details: { batched_bytes: median(lastOf(wal.batched)), single_bytes: median(lastOf(wal.single)) },
      },
    };
    return found;
  },
};

/** A database with so many sessions, and a process that rotates them. */
export async function rotations(stage: Stage, sessions: number, people = sessions) {
  const database = await stage.database({ people, sessions });
  const env = { DATABASE_URL: database.url, SESSIONS: String(sessions) };
  const child = await stage.child('processes/rotations.ts', { env });
  const rotate = (work: { batched: boolean; seconds?: number; count?: number }) => child.call<Rotated>('rotate', work);
  return { database, rotate };
}

async function walBytes({ query }: BenchDatabase): Promise<number> {
  const [row] = await query<{ bytes: string }>("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS bytes");
  return Number(row?.bytes);
}
