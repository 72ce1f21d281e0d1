import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { until } from './until.js';

/** The service as it was built, running as a process of its own. */
export type Instance = {
  /** Empty until it listens. */
  url: string;
  pid: number | undefined;
  /** All that it wrote, to both outputs. */
  output: () => string;
  isRunning: () => boolean;
  /** Set when the suite itself ended it: whoever ends otherwise has failed. */
  wasEndedOnPurpose: () => boolean;
  /** @returns the exit code, null when a signal ended it, and how many milliseconds that took */
  end: (signal: 'SIGTERM' | 'SIGKILL') => Promise<{ code: number | null; milliseconds: number }>;
  /** Resolves with the code when it has ended, by whomever. */
  exit: Promise<number | null>;
};

const START_MS = 30_000;
/** As it logs it, with the database and without. */
const LISTENING = /(?:Server listening|Not ready yet, and alive) at (http:[^"]+)"/;
const root = path.resolve(import.meta.dirname, '../..');

/**
 * Starts the built service.
 *
 * @param environment all of it
 * @param listening false: does not wait until it listens
 * @param clock how far its clock is off, as libfaketime says it ("+1h"); its monotonic clock is left alone
 */
export async function startInstance(
  environment: NodeJS.ProcessEnv,
  { clock, listening = true, program = 'dist/server.js', args = [], onSpawn }: InstanceOptions = {},
): Promise<Instance> {
  const skewed = clock === undefined ? {} : skewedClock(clock);
  const child = spawn(process.execPath, [path.join(root, program), ...args], {
    cwd: root,
    env: { PATH: process.env.PATH, ...environment, ...skewed },
    // Ctrl-C is told to the suite alone, which then ends them in order.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  let running = true;
  let onPurpose = false;
  const exit = new Promise<number | null>((resolve) => {
    child.once('error', (error) => {
      running = false;
      output += error.message;
      resolve(-1);
    });
    child.once('close', (code) => {
      running = false;
      resolve(code);
    });
  });
  const instance: Instance = {
    url: '',
    pid: child.pid,
    output: () => output,
    isRunning: () => running,
    wasEndedOnPurpose: () => onPurpose,
    exit,
    async end(signal) {
      const startedAt = performance.now();
      onPurpose = true;
      if (running) child.kill(signal);
      const code = await exit;
      return { code, milliseconds: performance.now() - startedAt };
    },
  };
  onSpawn?.(instance);
  if (!listening) return instance;
  const listens = () => (!running ? 'ended' : LISTENING.exec(output)?.[1]);
  const { result } = await until('the service listens', listens, { within: START_MS, every: 5 });
  if (result === 'ended') throw new Error(`The service did not start:\n${output.slice(-2_000)}`);
  instance.url = result;
  return instance;
}

export type InstanceOptions = {
  clock?: string;
  listening?: boolean;
  program?: string;
  args?: string[];
  /** Told at once, before it listens: whoever started it must be able to end it. */
  onSpawn?: (instance: Instance) => void;
};

function skewedClock(clock: string): NodeJS.ProcessEnv {
  const library = fakeTimeLibrary();
  if (library === undefined) throw new Error('libfaketime is not installed (Debian package faketime).');
  return { LD_PRELOAD: library, FAKETIME: clock, FAKETIME_DONT_FAKE_MONOTONIC: '1', DONT_FAKE_MONOTONIC: '1' };
}

/** libfaketime for programs with threads, where Debian puts it; undefined when it is not installed. */
export function fakeTimeLibrary(): string | undefined {
  const folders = process.arch === 'arm64' ? ['aarch64-linux-gnu'] : ['x86_64-linux-gnu'];
  return folders.map((name) => `/usr/lib/${name}/faketime/libfaketimeMT.so.1`).find((file) => existsSync(file));
}
