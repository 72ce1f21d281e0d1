import { cpus, totalmem } from 'node:os';
import type { Effort } from './interleave.js';
import type { Cores } from './machine.js';
import { type Measured, meets, type Row, type Target } from './row.js';

export type Line = {
  row: string;
  title: string;
  /** The limit of the same run, or what was measured where there is none. */
  limit: string;
  target: Target;
  measured: Measured | null;
  met: boolean | null;
  skipped?: string;
};

export function describeMachine(cores: Cores | undefined) {
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memory_gb: Math.round(totalmem() / 1e9),
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    placement: cores
      ? `load on core ${cores.load}, server on ${cores.server}, Postgres on ${cores.postgres}`
      : 'all processes on all cores',
  };
}

/** One line, for people. */
export function machineText(machine: ReturnType<typeof describeMachine>): string {
  const { processor, cores, memory_gb: memory, node, platform, placement } = machine;
  return `${processor}, ${cores} cores, ${memory} GB · ${platform} · Node ${node} · ${placement}`;
}

export function linesOf(row: Row, found: Record<string, Measured> | { skipped: string }): Line[] {
  return Object.entries(row.targets).map(([limit, target]) => {
    const line = { row: row.name, title: row.title, limit, target };
    if (isSkipped(found)) return { ...line, measured: null, met: null, skipped: found.skipped };
    const measured = found[limit];
    if (measured === undefined || !Number.isFinite(measured.value))
      throw new Error(`${row.name} found no figure for "${limit}".`);
    return { ...line, measured, met: meets(target, measured.value) };
  });
}

function isSkipped(found: Record<string, Measured> | { skipped: string }): found is { skipped: string } {
  return typeof found.skipped === 'string';
}

/** A Markdown table, for the terminal and for docs/bench.md. @param effort a short run tells no verdict */
export function tableOf(lines: Line[], { short }: Effort): string {
  const rows = lines.map(({ title, limit, target, measured, met }) => {
    const verdict = met === null ? 'skipped' : short ? 'ran' : met ? 'met' : '**missed**';
    return `| ${title} | ${limit} | ${bound(target)} | ${measured ? amount(measured.value, target) : '–'} | ${verdict} |`;
  });
  return ['| what | limit in the same run | target | measured | |', '|---|---|---|---|---|', ...rows].join('\n');
}

function bound(target: Target): string {
  return `${target.comparison === 'at least' ? '≥' : '≤'} ${figure(target.value)}${unit(target)}`;
}

function amount(value: number, target: Target): string {
  return figure(value) + unit(target);
}

function unit({ unit }: Target): string {
  return unit === '' ? '' : ` ${unit}`;
}

/** Two digits after the point for ratios, none for large amounts; never rounded up to a whole that was not reached. */
export function figure(value: number): string {
  if (value > 0.995 && value < 1) return value.toFixed(4);
  return Math.abs(value) >= 20 ? Math.round(value).toLocaleString('en') : String(Number(value.toFixed(2)));
}
