import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import bcrypt from 'bcrypt';
import { expect, onTestFinished, test } from 'vitest';
import { freshDatabaseUrl } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import { run } from '../support/processes.js';
import { buildTestApp } from '../support/test-app.js';

const PASSWORD = 'what they had elsewhere';
const HASH = bcrypt.hashSync(PASSWORD, 4).replace('$2b$', '$2y$');

async function fileOf(content: string | Buffer): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-import-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = path.join(folder, 'users.ndjson');
  await writeFile(file, content);
  return file;
}

async function importUsers(DATABASE_URL: string, ...args: string[]) {
  const command = run('src/cli.ts', ['users', 'import', ...args], { DATABASE_URL });
  return { code: await command.exit, lines: command.output().trim().split('\n') };
}

type Row = { password_hash: string; email_verified_at: Date | null; created_at: Date };

const query = <Result>(url: string, statement: string, values: unknown[] = []) =>
  withClient(url, async (client) => (await client.query(statement, values)).rows as Result[]);

const account = (number: number, more: object = {}) =>
  JSON.stringify({ email: `Person${number}@Example.test`, password_hash: HASH, ...more });

test('imports 2,000 lines past the bad ones, tells these by number, can run again, and lets people sign in', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const { app } = await buildTestApp({ DATABASE_URL });
  const resident = { email: 'person5@example.test', password: 'correct horse battery staple' };
  expect((await app.inject({ method: 'POST', url: '/v1/auth/register', payload: resident })).statusCode).toBe(201);

  const lines: (string | Buffer)[] = Array.from({ length: 2_000 }, (_, index) => account(index + 1));
  lines[1] = account(2, { email_verified: true, created_at: '2020-02-29T12:00:00Z' });
  lines[16] = account(17).replace('$2y$', '$1$');
  lines[41] = '';
  lines[99] = account(100).slice(0, -10);
  lines[499] = `{"email":"${'x'.repeat(200_000)}"}`;
  lines[999] = Buffer.from([0x22, 0xff, 0x22]);
  lines[1_499] = account(3);
  const bytes = Buffer.concat([
    Buffer.from('\ufeff'),
    ...lines.flatMap((line) => [Buffer.from(line), Buffer.from('\r\n')]),
  ]);
  const file = await fileOf(bytes);

  const rehearsed = await importUsers(DATABASE_URL, file, '--dry-run');
  expect(rehearsed).toMatchObject({ code: 1 });
  expect(rehearsed.lines.at(-1)).toBe('would import 1994, already there 1, bad lines 4');
  expect(await query(DATABASE_URL, 'SELECT FROM users')).toHaveLength(1);

  const first = await importUsers(DATABASE_URL, file);
  expect(first.code).toBe(1);
  expect(first.lines).toEqual([
    expect.stringMatching(/^line 17: password_hash is not a bcrypt hash/),
    'line 100: this is not a JSON object',
    'line 500: it is longer than 64 KB',
    'line 1000: it is not UTF-8',
    'imported 1993, already there 2, bad lines 4',
  ]);
  expect(first.lines.join('\n')).not.toContain(HASH.slice(-20));

  const again = await importUsers(DATABASE_URL, file);
  expect(again.lines.at(-1)).toBe('imported 0, already there 1995, bad lines 4');
  expect(await query(DATABASE_URL, 'SELECT FROM users')).toHaveLength(1_994);
  const events = await query<{ details: object }>(
    DATABASE_URL,
    "SELECT details FROM events WHERE type = 'register' AND details <> '{}'",
  );
  expect(events).toHaveLength(1_993);
  expect(events[0]?.details).toEqual({ imported: true });

  const rowOf = async (email: string) =>
    (await query<Row>(DATABASE_URL, 'SELECT * FROM users WHERE email = $1', [email]))[0] ?? expect.unreachable();
  expect(await rowOf('person2@example.test')).toMatchObject({
    created_at: new Date('2020-02-29T12:00:00Z'),
    email_verified_at: expect.any(Date),
  });
  expect(await rowOf('person3@example.test')).toMatchObject({ email_verified_at: null, password_hash: HASH });

  const signIn = async (email: string, password: string) =>
    (await app.inject({ method: 'POST', url: '/v1/auth/login', payload: { email, password } })).statusCode;
  expect(await signIn('person2000@example.test', `${PASSWORD}!`)).toBe(401);
  expect(await signIn('person2000@example.test', PASSWORD)).toBe(200);
  expect((await rowOf('person2000@example.test')).password_hash).toMatch(/^gh1:/);
  expect(await signIn('person2000@example.test', PASSWORD)).toBe(200);
  // Who was there before keeps their password.
  expect(await signIn(resident.email, PASSWORD)).toBe(401);
  expect(await signIn(resident.email, resident.password)).toBe(200);
});

test('reads standard input, and ends well when every line is good', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const tsx = import.meta.resolve('tsx');
  const child = spawn(process.execPath, ['--import', tsx, 'src/cli.ts', 'users', 'import', '-'], {
    env: { PATH: process.env.PATH, DATABASE_URL },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill());
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stdin.write(`${account(1)}\n\n${account(2).slice(0, 20)}`);
  child.stdin.end(`${account(2).slice(20)}`);
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
  expect(output).toBe('imported 2, already there 0, bad lines 0\n');
});

test('says what is wrong with a call, a file or a database', async () => {
  const calls = [[], ['explode'], ['import', 'a', 'b'], ['import', 'a', '--sideways']];
  for (const [args, wrong] of calls.map((call) => [call, run('src/cli.ts', ['users', ...call], {})] as const)) {
    expect(await wrong.exit, args.join(' ')).toBe(2);
    expect(wrong.output()).toContain('node dist/cli.js users import');
  }
  expect((await importUsers('', 'nothing.ndjson')).code).toBe(78);
  const away = 'postgresql://nobody:secret-password@127.0.0.1:1/nothing';
  expect(await importUsers(away, 'nothing.ndjson')).toEqual({ code: 1, lines: ['There is no file nothing.ndjson.'] });
  expect(await importUsers(away, 'src')).toEqual({ code: 1, lines: ['src is a folder.'] });
  const stopped = await importUsers(away, await fileOf(account(1)));
  expect(stopped.code).toBe(1);
  expect(stopped.lines[0]).toMatch(/^Stopped: imported 0, already there 0, bad lines 0 until then/);
  expect(stopped.lines.join('\n')).not.toContain('secret-password');
});
