import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { binariesFor, findFreePort, postgresAccount } from '../embedded-postgres.js';
import { until } from './until.js';

const run = promisify(execFile);

const USER = 'gatehouse';

/** A Postgres server of the suite's own, that may be broken in every way. */
export type Cluster = {
  /** A folder that the server may write to. */
  folder: string;
  url: (database: string) => string;
  execute: (statement: string) => Promise<void>;
  start: () => Promise<void>;
  /** Ends every process of it at once, as a crash does; what was not committed is lost. */
  stopAtOnce: () => Promise<void>;
  /** Sends a signal to every process of the server. */
  signal: (name: 'SIGSTOP' | 'SIGCONT') => Promise<void>;
  /** Has it running again, whatever was done to it. */
  mend: () => Promise<void>;
  /** @returns how many milliseconds it took until it let somebody in */
  accepts: () => Promise<number>;
  /** Stops it, and removes its data. */
  remove: () => Promise<void>;
};

/** Makes and starts one on a free port. What is committed is kept however it is stopped, unless the machine itself crashes. */
export async function createCluster(): Promise<Cluster> {
  const runAs = await postgresAccount();
  const binaries = await binariesFor(runAs);
  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-faults-'));
  await chmod(folder, 0o711);
  const data = path.join(folder, 'data');
  await mkdir(data, { mode: 0o700 });
  if (runAs.uid !== undefined && runAs.gid !== undefined) {
    for (const made of [folder, data]) await chown(made, runAs.uid, runAs.gid);
  }
  const options = [`--username=${USER}`, '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
  await run(path.join(binaries, 'initdb'), ['-D', data, ...options], runAs);
  const port = await findFreePort();
  const settings = [`port=${port}`, "listen_addresses='127.0.0.1'", "unix_socket_directories=''"];
  settings.push('max_connections=300', 'fsync=off', 'shared_buffers=128MB', 'log_min_messages=fatal');
  await writeFile(path.join(data, 'postgresql.auto.conf'), `${settings.join('\n')}\n`);

  const url = (database: string) => `postgresql://${USER}@127.0.0.1:${port}/${database}`;
  const control = (...args: string[]) => run(path.join(binaries, 'pg_ctl'), [...args, '-D', data, '-w'], runAs);
  const start = async () => {
    await control('start', '-t', '60', '-l', path.join(data, 'server.log'));
  };
  const signal = async (name: 'SIGSTOP' | 'SIGCONT') => {
    // Again until there is no new one: the first process may have been about to start another.
    const told = new Set<number>();
    for (let pids = await processesOf(data); pids.some((pid) => !told.has(pid)); pids = await processesOf(data)) {
      for (const pid of pids) {
        told.add(pid);
        try {
          process.kill(pid, name);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
        }
      }
    }
  };
  const stopAtOnce = async () => {
    await control('stop', '-m', 'immediate');
  };
  let removed = false;
  await start();

  return {
    folder,
    url,
    start,
    stopAtOnce,
    signal,
    execute: (statement) =>
      withClient(url('postgres'), async (client) => {
        await client.query(statement);
      }),
    accepts: async () => {
      const letIn = () => withClient(url('postgres'), () => true).catch(() => false);
      return (await until('Postgres lets somebody in', letIn, { within: 60_000, every: 5 })).milliseconds;
    },
    async mend() {
      if (removed) return;
      await signal('SIGCONT');
      if ((await processesOf(data)).length === 0) await start();
    },
    async remove() {
      removed = true;
      await signal('SIGCONT');
      await stopAtOnce().catch(() => {});
      await rm(data, { recursive: true, force: true });
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function withClient<Result>(url: string, work: (client: pg.Client) => Promise<Result> | Result) {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/** The server's first process, which is named in a file, and its children. Linux tells who they are in /proc. */
async function processesOf(data: string): Promise<number[]> {
  const [line = ''] = (await readFile(path.join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  const first = Number(line);
  if (!(first > 0)) return [];
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0);
  const parents = await Promise.all(pids.map(async (pid) => [pid, await parentOf(pid)] as const));
  // A file that a stopped server has left behind names nobody.
  if (!existsSync(`/proc/${first}`)) return [];
  return [first, ...parents.filter(([, parent]) => parent === first).map(([pid]) => pid)];
}

async function parentOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name of the program stands in brackets and may hold anything, brackets too.
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}
