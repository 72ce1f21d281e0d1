import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';

/** Which cores do what, as `taskset` takes them; undefined where processes cannot be kept apart. */
export type Cores = { load: string; server: string; postgres: string; all: string };

/**
 * The load has a core of its own, the server under test another. Postgres has those that are left; on two cores it
 * shares the load's, so that the server's is its own.
 */
export function divideCores(): Cores | undefined {
  const count = availableParallelism();
  if (count < 2 || spawnSync('taskset', ['-c', '0', 'true']).status !== 0) return undefined;
  return { load: '0', server: '1', postgres: count > 2 ? `2-${count - 1}` : '0', all: `0-${count - 1}` };
}

/** The command that runs a program on some cores; on any when they are left out. */
export function on(cores: string | undefined, command: string[]): [program: string, args: string[]] {
  const [program = '', ...args] = cores === undefined ? command : ['taskset', '-c', cores, ...command];
  return [program, args];
}

/** Keeps a running process, all its threads, and all that it starts from now on to some cores. */
export async function keepTo(cores: string, pid: number): Promise<void> {
  await promisify(execFile)('taskset', ['-a', '-p', '-c', cores, String(pid)]);
}

/** CPU seconds that a process and its children that ended have used; undefined where /proc does not tell. */
export function cpuSeconds(pid: number): number | undefined {
  try {
    // The second field is the program's name in brackets, which may hold anything.
    const fields = (readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1) ?? '').split(' ');
    const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
    return ticks / TICKS_PER_SECOND;
  } catch {
    return undefined;
  }
}

/** Megabytes of memory that a process holds, and the most it ever held. */
export function residentMegabytes(pid: number): number | undefined {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kilobytes === undefined ? undefined : (Number(kilobytes) * 1024) / 1_000_000;
  } catch {
    return undefined;
  }
}

/** USER_HZ, which Linux fixes for all programs. */
const TICKS_PER_SECOND = 100;
