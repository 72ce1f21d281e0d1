import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { expect, inject, onTestFinished } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
// Loaded into the process itself: the command tsx would be a second process, and pass on signals that came already.
const tsx = import.meta.resolve('tsx');

export type Running = {
  /** All that was written so far, to both outputs. */
  output: () => string;
  /** Resolves with the exit code when the process has ended. */
  exit: Promise<number | null>;
  /** Sends a signal to the process and its children, as a terminal does. */
  signal: (signal: NodeJS.Signals) => void;
};

/**
 * Runs a TypeScript file of the project as a process of its own; killed after the test if it still runs. A file of
 * `src/` runs as it was built for this run, which is how it runs in production; any other is compiled as it starts.
 */
export function run(file: string, args: string[], environment: NodeJS.ProcessEnv, cwd = root): Running {
  const { PATH, HOME } = process.env;
  const child: ChildProcess = spawn(process.execPath, [...entryOf(file), ...args], {
    cwd,
    env: { PATH, HOME, ...environment },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout?.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    output += chunk;
  });
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
  const signal = (name: NodeJS.Signals) => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, name);
  };
  onTestFinished(async () => {
    signal('SIGKILL');
    await exit;
  });
  return { output: () => output, exit, signal };
}

function entryOf(file: string): string[] {
  const builtService = inject('builtService');
  const isBuilt = builtService !== undefined && file.startsWith('src/');
  if (!isBuilt) return ['--import', tsx, path.join(root, file)];
  return [path.join(builtService, file.replace(/^src\//, 'dist/').replace(/\.ts$/, '.js'))];
}

/** Waits until a process has written something that matches, and returns the match. */
export async function waitForOutput(running: Running, pattern: RegExp): Promise<RegExpExecArray> {
  const match = () => pattern.exec(running.output());
  await expect.poll(match, { timeout: 30_000, message: `${pattern} in the output` }).not.toBeNull();
  return match() ?? expect.unreachable();
}
