import { createServer } from 'node:net';
import { expect, onTestFinished } from 'vitest';
import { testDatabaseUrl } from '../../support/database.js';
import { run } from '../../support/processes.js';
import { ISSUER, TEST_SECRET } from '../../support/test-app.js';

type Check = { name: string; status: string; message: string; remedy?: string };

/** As an operator would have it. */
export async function healthy(): Promise<NodeJS.ProcessEnv> {
  return {
    DATABASE_URL: await testDatabaseUrl(),
    APP_SECRETS: TEST_SECRET,
    ISSUER_URL: ISSUER,
    TRUSTED_PROXIES: '10.0.0.0/8',
    BCRYPT_COST: '10',
    HASH_CONCURRENCY: '1',
    DATABASE_POOL_SIZE: '2',
  };
}

export async function doctor(environment: NodeJS.ProcessEnv, ...args: string[]) {
  const running = run('src/cli.ts', ['doctor', '--json', ...args], { ...(await healthy()), ...environment });
  const code = await running.exit;
  const output = running.output();
  const { ok, checks } = JSON.parse(output) as { ok: boolean; checks: Check[] };
  return { code, ok, checks, output };
}

/** A URL of the tests' database, changed. */
export async function databaseUrl(change: Partial<URL>): Promise<string> {
  return Object.assign(new URL(await testDatabaseUrl()), change).href;
}

/** Takes connections and never says a word. @returns its port */
export async function startSilentServer(): Promise<number> {
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

export type Broken = {
  what: string;
  environment: () => NodeJS.ProcessEnv | Promise<NodeJS.ProcessEnv>;
  name: string;
  status: 'failed' | 'warning';
  remedy: RegExp;
};

export const SECRET = 'a-canary-in-a-password';

/** Holds the doctor to a set-up that is broken in one way: what it finds, what it advises, how it ends, what it keeps to itself. */
export async function expectFound({ environment, name, status, remedy }: Broken): Promise<void> {
  const startedAt = performance.now();
  const { code, ok, checks, output } = await doctor(await environment());
  const found = checks.filter((check) => check.name === name && check.status === status);
  expect(checks.map((check) => `${check.name} ${check.status}`)).toContain(`${name} ${status}`);
  expect(found.map((check) => check.remedy).join()).toMatch(remedy);
  const hasFailed = checks.some((check) => check.status === 'failed');
  expect([code, ok]).toEqual(hasFailed ? [1, false] : [0, true]);
  if (status === 'failed') expect(code).toBe(1);
  expect(output).not.toContain(SECRET);
  expect(output).not.toContain(TEST_SECRET);
  // Ten seconds are promised; the machine may have other work.
  expect(performance.now() - startedAt).toBeLessThan(40_000);
}
