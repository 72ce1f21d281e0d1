import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { expect, test } from 'vitest';
import { createKeyRing } from '../../src/shared/key-ring.js';
import { freshDatabaseUrl } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import { buildTestApp, cookieOf, getMe, logIn, PASSWORD, refresh, register } from '../support/test-app.js';

const secret = (name: string) => createHash('sha256').update(name).digest('base64url');
const idOf = (value: string) => createKeyRing([Buffer.from(value, 'base64url')]).current.id;
const [OLD, NEW] = [secret('the old secret'), secret('the new secret')];

async function secretDatabase() {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  return {
    start: async (...secrets: string[]): Promise<FastifyInstance> =>
      (await buildTestApp({ DATABASE_URL, APP_SECRETS: secrets.join(',') })).app,
    /** Under which secrets the stored keys are encrypted. */
    secretIds: async (): Promise<number[]> =>
      withClient(DATABASE_URL, async (client) => {
        const { rows } = await client.query('SELECT DISTINCT secret_id FROM signing_keys ORDER BY 1');
        return rows.map(({ secret_id }) => secret_id);
      }),
  };
}

test('changes the secret step by step, with two instances, and signs nobody out who came by', async () => {
  const { start, secretIds } = await secretDatabase();
  const before = await start(OLD);
  const person = await register(before);
  const absent = await register(before);

  // 1. The new one behind the old one, everywhere: all can verify what comes next.
  const first = await start(OLD, NEW);
  expect(await secretIds()).toEqual([idOf(OLD)]);
  // 2. The new one first, one instance after the other.
  const second = await start(NEW, OLD);
  expect(await secretIds()).toEqual([idOf(NEW)]);

  // A person comes and goes between instances of either configuration.
  let token = person.refreshToken;
  for (const app of [second, first, second, first, second]) {
    const refreshed = await refresh(app, token);
    expect(refreshed.statusCode).toBe(200);
    token = cookieOf(refreshed) ?? expect.unreachable();
    for (const other of [first, second]) {
      expect((await getMe(other, refreshed.json().access_token)).statusCode).toBe(200);
    }
  }
  // The password is hashed anew at sign-in, and the other configuration knows that hash too.
  await logIn(second, person.email);
  await logIn(first, person.email);
  await logIn(second, person.email);

  // 3. The old one goes.
  const after = await start(NEW);
  expect((await refresh(after, token)).statusCode).toBe(200);
  await logIn(after, person.email);
  expect((await getMe(after, person.accessToken)).statusCode).toBe(200);

  // Who did not come by meanwhile has to sign in again, and cannot: that is what docs/keys-and-secrets.md warns of.
  expect((await refresh(after, absent.refreshToken)).json().code).toBe('refresh_token_invalid');
  const payload = { email: absent.email, password: PASSWORD };
  expect((await after.inject({ method: 'POST', url: '/v1/auth/login', payload })).json().code).toBe(
    'invalid_credentials',
  );
});

test('takes stored keys over once when many instances start at once', async () => {
  const { start, secretIds } = await secretDatabase();
  const person = await register(await start(OLD));
  const instances = await Promise.all(Array.from({ length: 5 }, () => start(NEW, OLD)));
  expect(await secretIds()).toEqual([idOf(NEW)]);
  for (const app of instances) expect((await getMe(app, person.accessToken)).statusCode).toBe(200);
  expect((await getMe(await start(NEW), person.accessToken)).statusCode).toBe(200);
});
