import { setTimeout as pause } from 'node:timers/promises';
import { byTurns, median, ratios } from '../interleave.js';
import type { BenchDatabase } from '../postgres.js';
import { atLeast, atMost, type Row } from '../row.js';
import { rotations } from './rotation.js';

const ROTATIONS = 1_000_000;

export const growth: Row = {
  name: 'growth',
  title: '1,000,000 rotations of 10,000 sessions',
  targets: { 'growth of the table and its indexes': atMost(5, 'MB'), 'share of heap-only updates': atLeast(1) },
  async measure(stage) {
    const { database, rotate } = await rotations(stage, 10_000);
    const before = await measureTable(database);
    const count = stage.effort.short ? ROTATIONS / 20 : ROTATIONS;
    const { rotated, perSecond } = await rotate({ batched: true, count });
    const after = await updatesCounted(database, before.updates + rotated);
    const share = (after.heapOnly - before.heapOnly) / (after.updates - before.updates);
    const details = { rotations: rotated, per_second: perSecond };
    return {
      'growth of the table and its indexes': {
        value: (after.bytes - before.bytes) / 1e6,
        details: { ...details, before_mb: before.bytes / 1e6, after_mb: after.bytes / 1e6 },
      },
      'share of heap-only updates': { value: share, details: { updates: after.updates - before.updates } },
    };
  },
};

const FEW = 10_000;

export const manySessions: Row = {
  name: 'many-sessions',
  title: 'Rotations with 10,000,000 sessions in the table',
  targets: { 'the same with 10,000': atLeast(0.8) },
  async measure(stage) {
    const many = stage.effort.short ? 100_000 : 10_000_000;
    const few = await rotations(stage, FEW);
    const startedAt = performance.now();
    const full = await rotations(stage, many, many / 10);
    stage.note(
      `${many.toLocaleString('en')} sessions made in ${Math.round((performance.now() - startedAt) / 1_000)} s`,
    );
    const seconds = stage.effort.short ? 1 : 5;
    const rates = await byTurns(stage.effort, {
      few: async () => (await few.rotate({ batched: true, seconds })).perSecond,
      many: async () => (await full.rotate({ batched: true, seconds })).perSecond,
    });
    const rounds = ratios(rates.many, rates.few);
    const details = {
      with_many_per_second: median(rates.many),
      with_few_per_second: median(rates.few),
      sessions: many,
    };
    return { 'the same with 10,000': { value: median(rounds), rounds, details } };
  },
};

type Table = { bytes: number; updates: number; heapOnly: number };

async function measureTable({ query }: BenchDatabase): Promise<Table> {
  const [row] = await query<Record<keyof Table, string>>(`
    SELECT pg_total_relation_size('sessions') AS bytes, n_tup_upd AS updates, n_tup_hot_upd AS "heapOnly"
    FROM pg_stat_user_tables WHERE relname = 'sessions'`);
  return { bytes: Number(row?.bytes), updates: Number(row?.updates), heapOnly: Number(row?.heapOnly) };
}

/** Postgres tells its counts a little later. */
async function updatesCounted(database: BenchDatabase, updates: number): Promise<Table> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const table = await measureTable(database);
    if (table.updates >= updates) return table;
    await pause(100);
  }
  throw new Error('Postgres does not count the updates.');
}
