import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { SESSION_PREFIX } from './ids.js';
import { on } from './machine.js';

/** Where pgbench is; undefined when it is not installed. The embedded Postgres has none. */
export function findPgbench(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const folders = [
    ...(process.env.PATH ?? '').split(path.delimiter),
    ...(existsSync(debian) ? readdirSync(debian).map((version) => path.join(debian, version, 'bin')) : []),
  ];
  return folders.map((folder) => path.join(folder, 'pgbench')).find((file) => existsSync(file));
}

/**
 * The service's statement for one rotation, 64 clients, prepared. pgbench cannot remember the generation of each row,
 * so it asks for any; and it makes the id in the statement, for it has numbers only.
 *
 * @returns rotations a second
 */
export async function runPgbench(
  program: string,
  url: string,
  sessions: number,
  seconds: number,
  cores: string | undefined,
): Promise<number> {
  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-pgbench-'));
  try {
    const script = path.join(folder, 'rotate.sql');
    await writeFile(script, `\\set pick random(0, ${sessions - 1})\n${ROTATE}`);
    const args = ['-n', '-M', 'prepared', '-c', '64', '-j', '1', '-T', String(seconds), '-f', script, url];
    const { stdout } = await promisify(execFile)(...on(cores, [program, ...args]));
    const rate = /^tps = ([\d.]+)/m.exec(stdout)?.[1];
    const failed = /^number of failed transactions: ([1-9]\d*)/m.exec(stdout)?.[1];
    if (rate === undefined || failed !== undefined) throw new Error(`pgbench did not do it all:\n${stdout}`);
    return Number(rate);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const ROTATE = `
UPDATE sessions s SET
  generation = s.generation + 1,
  confirmed_generation = s.generation,
  rotated_at = now(),
  idle_expires_at = least(now() + make_interval(secs => 1209600), s.expires_at)
FROM users u
WHERE s.id = ('${SESSION_PREFIX}' || lpad(to_hex((:pick)::bigint), 12, '0'))::uuid
  AND s.generation >= 1 AND s.transport = 'cookie'
  AND s.ended_at IS NULL AND s.idle_expires_at > now() AND s.expires_at > now() AND u.id = s.user_id
RETURNING
  s.id, s.user_id, s.transport, s.generation, s.confirmed_generation, s.created_at, s.rotated_at, s.idle_expires_at, s.expires_at,
  s.authenticated_at, s.amr, s.ended_at, s.end_reason, s.user_agent, host(s.ip) AS ip,
  u.email, u.email_verified_at, u.created_at AS user_created_at, now() AS now;
`
  .replaceAll('\n', ' ')
  .trim();
