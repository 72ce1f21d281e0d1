import { readFile } from 'node:fs/promises';

/** One look at the long-lived instance and at Postgres. */
export type Sample = { seconds: number; residentMb: number; connections: number };

const PAGE_BYTES = 4_096;

/** Memory that a process holds, as Linux counts it. */
export async function residentMb(pid: number): Promise<number> {
  const [, pages] = (await readFile(`/proc/${pid}/statm`, 'utf8')).split(' ');
  return (Number(pages) * PAGE_BYTES) / 1e6;
}

export type Trend = {
  /** Megabytes an hour, by least squares over the second half. */
  slope: number;
  /** The median of the second quarter, and of the last one. */
  earlier: number;
  later: number;
};

/** How memory went, once the start was over. */
export function trendOf(samples: readonly Sample[]): Trend {
  const quarter = Math.floor(samples.length / 4);
  const memory = (from: number, to?: number) => median(samples.slice(from, to).map(({ residentMb: mb }) => mb));
  return {
    slope: slopeOf(samples.slice(quarter * 2)) * 3_600,
    earlier: memory(quarter, quarter * 2),
    later: memory(quarter * 3),
  };
}

function slopeOf(samples: readonly Sample[]): number {
  const meanTime = mean(samples.map(({ seconds }) => seconds));
  const meanMemory = mean(samples.map(({ residentMb: mb }) => mb));
  let above = 0;
  let below = 0;
  for (const { seconds, residentMb: mb } of samples) {
    above += (seconds - meanTime) * (mb - meanMemory);
    below += (seconds - meanTime) ** 2;
  }
  return above / below;
}

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
