import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { accepts, findFreePort } from '../../scripts/embedded-postgres.js';
import { run, waitForOutput } from '../support/processes.js';
import { freshEmail, PASSWORD } from '../support/test-app.js';

/** An empty place to be a fresh machine in. */
async function freshFolder(mode: number): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-dev-'));
  await chmod(folder, mode);
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function startDev(folder: string, port: number) {
  const dev = run('scripts/dev.ts', [], { PORT: String(port) }, folder);
  await waitForOutput(dev, /Gatehouse is ready/);
  return { ...dev, url: `http://localhost:${port}` };
}

function post(url: string, { cookie = '', body }: { cookie?: string; body?: object } = {}): Promise<Response> {
  const headers = { ...(cookie ? { cookie } : {}), ...(body ? { 'content-type': 'application/json' } : {}) };
  return fetch(url, { method: 'POST', headers, body: body ? JSON.stringify(body) : null });
}

/** Postgres has this file while it runs; its fourth line is the port. */
const POSTMASTER = '.gatehouse/postgres/postmaster.pid';

const cookieOf = (response: Response) => response.headers.get('set-cookie')?.split(';')[0] ?? '';

test('starts on nothing, prints what to open and a curl that works, keeps data and sign-ins over a restart, leaves no process', async () => {
  const folder = await freshFolder(0o755);
  const port = await findFreePort();
  const first = await startDev(folder, port);
  expect(first.output()).toContain(`${first.url}/docs`);
  expect(first.output()).toContain(`${first.url}/dev/mailbox`);
  expect(first.output()).toContain(`${first.url}/playground`);
  const page = await fetch(`${first.url}/playground`);
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  const settings = await fetch(`${first.url}/playground/settings.json`);
  expect(await settings.json()).toEqual({ service_name: 'Gatehouse', mailbox: true, faults: true });
  expect(first.output()).toContain(`curl -i -c cookies.txt ${first.url}/v1/auth/register`);
  expect(first.output()).not.toMatch(/warning|deprecat/i);
  const registered = await post(`${first.url}/v1/auth/register`, { body: { email: freshEmail(), password: PASSWORD } });
  expect(registered.status).toBe(201);

  const databasePort = Number((await readFile(path.join(folder, POSTMASTER), 'utf8')).split('\n')[3]);
  expect(await accepts(databasePort)).toBe(true);
  first.signal('SIGINT');
  expect(await first.exit).toBe(0);
  expect(existsSync(path.join(folder, POSTMASTER))).toBe(false);
  expect(await accepts(databasePort)).toBe(false);

  const second = await startDev(folder, port);
  const refreshed = await post(`${second.url}/v1/auth/refresh`, { cookie: cookieOf(registered) });
  expect(refreshed.status).toBe(200);
  second.signal('SIGINT');
  expect(await second.exit).toBe(0);
});

test('takes over the database of a run that was killed', async () => {
  const folder = await freshFolder(0o755);
  const port = await findFreePort();
  const killed = await startDev(folder, port);
  killed.signal('SIGKILL');
  await killed.exit;
  const next = await startDev(folder, port);
  next.signal('SIGINT');
  expect(await next.exit).toBe(0);
  expect(existsSync(path.join(folder, POSTMASTER))).toBe(false);
});

test('stops when npm, or the shell between them, is ended in its place', async () => {
  const folder = await freshFolder(0o755);
  const port = await findFreePort();
  const parent = spawn(
    'sh',
    ['-c', `"${process.execPath}" --import "${import.meta.resolve('tsx')}" "${path.resolve('scripts/dev.ts')}"; true`],
    { cwd: folder, env: { PATH: process.env.PATH, PORT: String(port) }, stdio: 'ignore' },
  );
  await expect.poll(() => accepts(port), { timeout: 30_000 }).toBe(true);
  parent.kill('SIGTERM');
  await expect.poll(() => existsSync(path.join(folder, POSTMASTER)), { timeout: 15_000 }).toBe(false);
  expect(await accepts(port)).toBe(false);
});

test.each([300, 900, 1_500])(
  'leaves no database behind when it is interrupted %i ms after its start',
  async (milliseconds) => {
    const folder = await freshFolder(0o755);
    const dev = run('scripts/dev.ts', [], { PORT: String(await findFreePort()) }, folder);
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    dev.signal('SIGINT');
    await dev.exit;
    await expect.poll(() => existsSync(path.join(folder, POSTMASTER)), { timeout: 5_000 }).toBe(false);
    // And what was cut off is made good at the next start.
    const again = await startDev(folder, await findFreePort());
    again.signal('SIGINT');
    expect(await again.exit).toBe(0);
  },
);

test('works in a folder that only its owner may enter', async () => {
  const folder = await freshFolder(0o700);
  const dev = await startDev(folder, await findFreePort());
  expect((await fetch(`${dev.url}/readyz`)).status).toBe(200);
  expect(await run('scripts/dev-reset.ts', [], {}, folder).exit).toBe(1);
  dev.signal('SIGINT');
  expect(await dev.exit).toBe(0);
  expect(await run('scripts/dev-reset.ts', [], {}, folder).exit).toBe(0);
});

test('says what to do when the port is taken, and leaves no database behind', async () => {
  const folder = await freshFolder(0o755);
  const port = await findFreePort();
  const first = await startDev(folder, port);
  const second = run('scripts/dev.ts', [], { PORT: String(port) }, await freshFolder(0o755));
  expect(await second.exit).toBe(1);
  expect(second.output()).toContain(`Port ${port} is taken`);
  first.signal('SIGINT');
  await first.exit;
});

test('forgets data and secrets on dev:reset, but not while it runs', async () => {
  const folder = await freshFolder(0o755);
  const dev = await startDev(folder, await findFreePort());
  const refused = run('scripts/dev-reset.ts', [], {}, folder);
  expect(await refused.exit).toBe(1);
  dev.signal('SIGINT');
  await dev.exit;
  expect(await run('scripts/dev-reset.ts', [], {}, folder).exit).toBe(0);
  expect(existsSync(path.join(folder, '.gatehouse'))).toBe(false);
});
