import { addressOf } from './closed-loop.js';
import { type Answer, type Connection, openConnection } from './connection.js';

export type SteadyLoad = {
  /** Milliseconds from when each request was due to when it was answered. */
  milliseconds: number[];
  statuses: Map<number, number>;
};

type SteadyOptions = {
  port: number;
  perSecond: number;
  seconds: number;
  next: (index: number) => Buffer;
  heard?: (answer: Answer) => void;
};

/**
 * So many requests a second, whether or not the earlier ones were answered, as strangers ask. Time counts from when a
 * request was due: one that had to wait for a connection, or for this process, waited all the same.
 */
export async function steadyLoad({ port, perSecond, seconds, next, heard }: SteadyOptions): Promise<SteadyLoad> {
  const milliseconds: number[] = [];
  const statuses = new Map<number, number>();
  const idle: Connection[] = [];
  const open: Connection[] = [];
  const asked: Promise<void>[] = [];

  async function ask(index: number, dueAt: number): Promise<void> {
    const connection = idle.pop() ?? (await another());
    const answer = await connection.ask(next(index));
    milliseconds.push(performance.now() - dueAt);
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    heard?.(answer);
    idle.push(connection);
  }

  async function another(): Promise<Connection> {
    const connection = await openConnection(port, addressOf(open.length));
    open.push(connection);
    return connection;
  }

  const startedAt = performance.now();
  const total = Math.floor(perSecond * seconds);
  try {
    while (asked.length < total) {
      const due = Math.min(total, Math.floor(((performance.now() - startedAt) / 1_000) * perSecond));
      for (let index = asked.length; index < due; index += 1) {
        asked.push(ask(index, startedAt + (index / perSecond) * 1_000));
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Promise.all(asked);
  } finally {
    for (const connection of open) connection.close();
  }
  return { milliseconds, statuses };
}

export function percentile(figures: number[], share: number): number {
  const sorted = figures.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
