import { decodeProtectedHeader } from 'jose';
import { expect, test } from 'vitest';
import { freshDatabaseUrl } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import { run, waitForOutput } from '../support/processes.js';
import { freshEmail, PASSWORD, TEST_SECRET, testEnvironment } from '../support/test-app.js';

type ListedKey = { kid: string; status: string; secret: string | null };

/** A server as a process of its own, and the command line on the same database with all that it needs. */
async function startService() {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const server = run('src/server.ts', [], await testEnvironment({ DATABASE_URL, PORT: '0' }));
  const [, url = ''] = await waitForOutput(server, /Server listening at (http:[^"]+)/);
  const keys = async (...args: string[]) => {
    const command = run('src/cli.ts', ['keys', ...args], { DATABASE_URL, APP_SECRETS: TEST_SECRET });
    return { code: await command.exit, output: command.output() };
  };
  return {
    DATABASE_URL,
    keys,
    listed: async () => JSON.parse((await keys('list', '--json')).output) as ListedKey[],
    publishedKids: async () => {
      const jwks = (await (await fetch(`${url}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] };
      return jwks.keys.map(({ kid }) => kid);
    },
    signUp: async () => {
      const response = await fetch(`${url}/v1/auth/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email: freshEmail(), password: PASSWORD }),
      });
      return ((await response.json()) as { access_token: string }).access_token;
    },
    gate: async (token: string) =>
      (await fetch(`${url}/v1/me`, { headers: { authorization: `Bearer ${token}` } })).status,
  };
}

test('lists, rotates and retires keys while the service runs', async () => {
  const { DATABASE_URL, keys, listed, publishedKids, signUp, gate } = await startService();
  const token = await signUp();
  const before = await listed();
  expect(before.map(({ status }) => status).sort()).toEqual(['active', 'next']);
  expect(before.map(({ secret }) => secret)).toEqual(['first', 'first']);
  const [active = '', next = ''] = ['active', 'next'].map((status) => before.find((key) => key.status === status)?.kid);
  expect(decodeProtectedHeader(token).kid).toBe(active);

  // Too new to sign, until it has been published long enough.
  const early = await keys('rotate');
  expect(early).toMatchObject({ code: 1, output: expect.stringContaining('--now') });
  await withClient(DATABASE_URL, (client) =>
    client.query("UPDATE signing_keys SET created_at = now() - interval '6 minutes' WHERE status = 'next'"),
  );
  expect(await keys('rotate')).toMatchObject({ code: 0, output: expect.stringContaining(`${next} signs from now on`) });
  await expect.poll(async () => (await publishedKids()).length, { timeout: 2_000 }).toBe(3);
  const newer = await signUp();
  expect(decodeProtectedHeader(newer).kid).toBe(next);
  expect(await gate(token)).toBe(200);
  expect(await keys('rotate', '--now')).toMatchObject({ code: 0 });

  // An emergency asks twice, then the tokens die and the others live.
  const asked = await keys('retire', active);
  expect(asked).toMatchObject({ code: 2, output: expect.stringContaining('Nothing was done') });
  expect(await gate(token)).toBe(200);
  expect((await keys('retire', active, '--now')).code).toBe(0);
  await expect.poll(() => gate(token), { timeout: 2_000 }).toBe(401);
  expect(await gate(newer)).toBe(200);
  expect(await publishedKids()).not.toContain(active);

  const again = await keys('retire', active, '--now');
  expect(again).toMatchObject({ code: 1, output: expect.stringContaining('revoked already') });
  const table = (await keys('list')).output;
  expect(table).toMatch(/^KID +ALGORITHM +STATUS/);
  expect(table).toMatch(new RegExp(`${active} +ES256 +revoked`));
  expect(table.trim().split('\n')).toHaveLength(1 + 4);
});

test('says what is wrong with a call, and asks for no more configuration than it needs', async () => {
  const bare = run('src/cli.ts', ['keys', 'list'], {});
  expect(await bare.exit).toBe(78);
  expect(bare.output()).toContain('DATABASE_URL is not set');
  expect(bare.output()).toContain('APP_SECRETS is not set');
  expect(bare.output()).not.toContain('ISSUER_URL');

  const help = run('src/cli.ts', ['keys', 'retire', '--help'], {});
  expect(await help.exit).toBe(0);
  expect(help.output()).toContain('keys retire <kid> --now');

  for (const args of [[], ['explode'], ['list', '--sideways'], ['retire', '--now'], ['rotate', 'it']]) {
    const wrong = run('src/cli.ts', ['keys', ...args], {});
    expect(await wrong.exit, args.join(' ')).toBe(2);
    expect(wrong.output()).toContain('Usage: node dist/cli.js keys');
  }

  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const environment = { DATABASE_URL, APP_SECRETS: TEST_SECRET };
  const unknown = run('src/cli.ts', ['keys', 'retire', 'nobody', '--now'], environment);
  expect(await unknown.exit).toBe(1);
  expect(unknown.output()).toContain('There is no key nobody');
  const away = run('src/cli.ts', ['keys', 'list'], {
    ...environment,
    DATABASE_URL: 'postgresql://nobody:secret-password@127.0.0.1:1/nothing',
  });
  expect(await away.exit).toBe(1);
  expect(away.output()).not.toMatch(/secret-password|^\s+at /m);
});
