import type { Cluster } from './cluster.js';
import type { Stage } from './stage.js';

/** What came of a row: a figure for the table, and whatever was not right. */
export type Outcome = { figure: string; faults: string[] } | { skipped: string };

/** One fault, and how the service must take it. */
export type Row = {
  name: string;
  fault: string;
  right: string;
  /** What must be there before the row's database is made. */
  prepare?: (cluster: Cluster) => Promise<Preparation>;
  run: (stage: Stage) => Promise<Outcome>;
};

export type Preparation = {
  /** Where the row's database lies. */
  tablespace?: string;
  /** Done when that database is gone. */
  release?: () => Promise<void>;
  /** Why the row cannot run here. */
  skipped?: string;
};

/** Gathers what is not right. */
export function createFaults() {
  const faults: string[] = [];
  return {
    faults,
    /** Adds a line when something does not hold. @returns whether it does */
    hold(holds: boolean, otherwise: string): boolean {
      if (!holds) faults.push(otherwise);
      return holds;
    },
  };
}

/** Does the same for each, so many at a time. */
export async function inTurns<Item>(items: readonly Item[], atOnce: number, work: (item: Item) => Promise<void>) {
  const waiting = items.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of waiting) await work(item);
    }),
  );
}
