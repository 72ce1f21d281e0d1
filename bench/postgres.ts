import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import pg from 'pg';
import { startEmbeddedPostgres } from '../scripts/embedded-postgres.js';
import { SESSION_PREFIX, USER_PREFIX } from './ids.js';
import { cpuSeconds, keepTo } from './machine.js';

export type BenchDatabase = {
  url: string;
  migrate: (secret: string) => Promise<void>;
  fill: (rows: { people: number; sessions: number }) => Promise<void>;
  query: <Row extends object>(text: string, values?: unknown[]) => Promise<Row[]>;
  drop: () => Promise<void>;
};

export type BenchPostgres = {
  create: () => Promise<BenchDatabase>;
  /** CPU seconds of the server's processes so far; undefined where that cannot be told. */
  cpuSeconds: () => number | undefined;
  stop: () => Promise<void>;
};

/**
 * One server for all that is compared: that of DATABASE_URL, or the embedded one with its defaults, so that a commit is
 * on the disk when it is told.
 */
export async function openPostgres(cores: string | undefined): Promise<BenchPostgres> {
  const given = process.env.DATABASE_URL;
  const embedded = given ? null : await startEmbeddedPostgres({ folder: '.gatehouse/bench-postgres' });
  const url = embedded?.url('postgres') ?? given ?? '';
  const administrator = new pg.Client(url);
  await administrator.connect();
  const [directory] = (
    await administrator.query<{ folder: string }>("SELECT current_setting('data_directory') AS folder")
  ).rows;
  const postmaster =
    embedded && directory ? Number(readFileSync(`${directory.folder}/postmaster.pid`, 'utf8').split('\n')[0]) : 0;
  if (postmaster > 0 && cores !== undefined) await keepTo(cores, postmaster);

  return {
    async create() {
      const name = `gatehouse_bench_${randomBytes(5).toString('hex')}`;
      await administrator.query(`CREATE DATABASE ${name}`);
      return openDatabase(Object.assign(new URL(url), { pathname: `/${name}` }).href, () =>
        administrator.query(`DROP DATABASE ${name} WITH (FORCE)`),
      );
    },
    cpuSeconds() {
      if (postmaster === 0) return undefined;
      // Those that ended count as their parent's.
      const all = [postmaster, ...childrenOf(postmaster)].map(cpuSeconds);
      return all.includes(undefined) ? undefined : all.reduce((sum: number, one) => sum + (one ?? 0), 0);
    },
    async stop() {
      await administrator.end();
      await embedded?.stop();
    },
  };
}

function openDatabase(url: string, remove: () => Promise<unknown>): BenchDatabase {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  pool.on('error', () => {});
  return {
    url,
    async migrate(secret) {
      await promisify(execFile)(process.execPath, ['dist/cli.js', 'migrate'], {
        env: { PATH: process.env.PATH, DATABASE_URL: url, APP_SECRETS: secret },
      });
    },
    async fill({ people, sessions }) {
      await pool.query(
        `INSERT INTO users (id, email, password_hash)
         SELECT ($1 || lpad(to_hex(n), 12, '0'))::uuid, 'person' || n || '@example.com', 'none'
         FROM generate_series(0, $2::int - 1) AS n`,
        [USER_PREFIX, people],
      );
      await pool.query(
        `INSERT INTO sessions (id, user_id, transport, idle_expires_at, expires_at, user_agent, ip)
         SELECT ($1 || lpad(to_hex(n), 12, '0'))::uuid, ($2 || lpad(to_hex(n % $3::int), 12, '0'))::uuid, 'cookie',
           now() + interval '14 days', now() + interval '90 days', $5, '192.0.2.1'
         FROM generate_series(0, $4::int - 1) AS n`,
        [SESSION_PREFIX, USER_PREFIX, people, sessions, USER_AGENT],
      );
      await pool.query('VACUUM ANALYZE users, sessions');
    },
    async query(text, values) {
      return (await pool.query(text, values)).rows;
    },
    async drop() {
      await pool.end();
      await remove();
    },
  };
}

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((one) => {
      try {
        return (
          one > 0 && (readFileSync(`/proc/${one}/stat`, 'utf8').split(') ').at(-1) ?? '').split(' ')[1] === String(pid)
        );
      } catch {
        return false;
      }
    });
}

const USER_AGENT = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
