import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { accepts, findFreePort } from '../embedded-postgres.js';
import { until } from './until.js';

/** A Redis of the suite's own, that keeps nothing. */
export type RunningRedis = {
  url: string;
  start: () => Promise<void>;
  /** Sends it a signal; after SIGKILL it is gone when this resolves. */
  signal: (name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT') => Promise<void>;
};

export function hasRedis(): boolean {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Starts `redis-server` on a free port, the same one each time. */
export async function startRedis(): Promise<RunningRedis> {
  const port = await findFreePort();
  let server: ChildProcess | undefined;
  async function start(): Promise<void> {
    const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    server = spawn('redis-server', options, { stdio: 'ignore', detached: true });
    await until('Redis listens', () => accepts(port), { within: 10_000 });
  }
  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    start,
    async signal(name) {
      const told = server;
      if (told === undefined || told.exitCode !== null || told.signalCode !== null) return;
      const gone = new Promise((resolve) => told.once('close', resolve));
      told.kill(name);
      if (name === 'SIGKILL') await gone;
    },
  };
}
