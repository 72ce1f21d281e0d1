import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { accepts, findFreePort } from '../../../scripts/embedded-postgres.js';

/** The distribution's nginx with deploy/nginx/nginx.conf, before instances on these ports. Returns its address. */
export async function startDeployedNginx(instancePorts: number[]): Promise<string> {
  const folder = await makeFolder('nginx');
  const port = await findFreePort();
  const servers = instancePorts.map((instance) => `server 127.0.0.1:${instance} max_fails=1 fail_timeout=2s;`);
  const configuration = replaceEach(await readFile('deploy/nginx/nginx.conf', 'utf8'), [
    [/\/tmp\//g, `${folder}/`],
    [/( *server 172\.30\.0\.\d+:3000 max_fails=1 fail_timeout=2s;\n)+/, `${servers.join('\n')}\n`],
    [/listen 8443 ssl;/, `listen 127.0.0.1:${port};`],
    [/ *ssl_.*\n/g, ''],
    [/listen 127\.0\.0\.1:8081;/, `listen unix:${folder}/alive;`],
    [/error_log stderr warn;/, `error_log ${folder}/error.log warn;`],
    [/worker_processes auto;/, 'worker_processes 1;\ndaemon off;'],
  ]);
  const file = path.join(folder, 'nginx.conf');
  await writeFile(file, configuration);
  start('nginx', ['-c', file, '-p', folder, '-e', path.join(folder, 'error.log')], 'SIGTERM');
  await expect.poll(() => accepts(port), { timeout: 10_000 }).toBe(true);
  return `http://127.0.0.1:${port}`;
}

/** The distribution's PgBouncer with deploy/pgbouncer/pgbouncer.ini, before that database. Returns the URL through it. */
export async function startDeployedPgBouncer(databaseUrl: string): Promise<string> {
  const folder = await makeFolder('pgbouncer');
  const port = await findFreePort();
  const database = new URL(databaseUrl);
  const name = database.pathname.slice(1);
  const users = path.join(folder, 'userlist.txt');
  await writeFile(users, `"${database.username}" "${decodeURIComponent(database.password)}"\n`);
  const host = `host=${database.hostname} port=${database.port || 5432} dbname=${name}`;
  const configuration = replaceEach(await readFile('deploy/pgbouncer/pgbouncer.ini', 'utf8'), [
    [/^gatehouse = host=postgres port=5432 dbname=gatehouse/m, `${name} = ${host}`],
    [/^listen_addr = \*/m, 'listen_addr = 127.0.0.1'],
    [/^listen_port = 6432/m, `listen_port = ${port}`],
    [/^auth_file = .*/m, `auth_file = ${users}`],
    // Unknown to the distribution's 1.18: the instances are told DATABASE_PREPARED_STATEMENTS=false instead.
    [/^max_prepared_statements = \d+\n/m, ''],
  ]);
  const file = path.join(folder, 'pgbouncer.ini');
  await writeFile(file, configuration);
  for (const each of [file, users]) await chmod(each, 0o644);
  // It refuses to run as root.
  const asUser = process.getuid?.() === 0 ? ['--user', 'nobody'] : [];
  start('pgbouncer', ['--quiet', ...asUser, file], 'SIGTERM');
  await expect.poll(() => accepts(port), { timeout: 10_000 }).toBe(true);
  return Object.assign(new URL(databaseUrl), { hostname: '127.0.0.1', port: String(port) }).href;
}

async function makeFolder(name: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), `gatehouse-${name}-`));
  await chmod(folder, 0o777);
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs until the test is finished. */
function start(command: string, args: string[], end: NodeJS.Signals): ChildProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const exit = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
  onTestFinished(async () => {
    child.kill(end);
    await exit;
  });
  return child;
}

function replaceEach(text: string, replacements: [RegExp, string][]): string {
  return replacements.reduce((changed, [printed, here]) => {
    expect(changed).toMatch(printed);
    return changed.replace(printed, here);
  }, text);
}
