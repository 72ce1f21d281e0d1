import type { Stage } from './stage.js';

/** Figures of one row, for the table, the JSON and the chart. */
export type Measured = {
  /** What was asked about: a ratio, or an amount in `unit`. */
  value: number;
  /** Where `value` is the median of rounds, each of them. */
  rounds?: number[];
  /** Rates, times and sizes behind it, each with its unit in its name. */
  details: Record<string, number | string>;
};

export type Target = { comparison: 'at least' | 'at most'; value: number; unit: '' | '×' | 'MB' | 'ms' };

/** What one row finds: a figure for each target that it has. */
export type Row = {
  name: string;
  /** What is measured, and against which limit of the same run. */
  title: string;
  targets: Record<string, Target>;
  /** @returns a figure for each target, or why there is none on this machine */
  measure: (stage: Stage) => Promise<Record<string, Measured> | { skipped: string }>;
};

export const atLeast = (value: number, unit: Target['unit'] = ''): Target => ({ comparison: 'at least', value, unit });
export const atMost = (value: number, unit: Target['unit'] = ''): Target => ({ comparison: 'at most', value, unit });

export function meets({ comparison, value }: Target, measured: number): boolean {
  return comparison === 'at least' ? measured >= value : measured <= value;
}
