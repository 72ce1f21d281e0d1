import type { FastifyInstance } from 'fastify';
import { decodeProtectedHeader } from 'jose';
import { expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../src/database/database.js';
import { createSigningKeyRepository } from '../../src/modules/tokens/signing-key-repository.js';
import {
  decideDue,
  decideRevocation,
  decideRotation,
  isNothing,
  KEEP_RETIRED_SECONDS,
} from '../../src/modules/tokens/signing-key-schedule.js';
import { createKeyRing } from '../../src/shared/key-ring.js';
import { freshDatabaseUrl } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import { buildTestApp, cookieOf, getMe, refresh, register, TEST_SECRET } from '../support/test-app.js';

/** A database of its own, since its keys are worked on. */
async function keyDatabase() {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const sql = async (statement: string): Promise<Record<string, unknown>[]> =>
    (await withClient(DATABASE_URL, (client) => client.query(statement))).rows;
  return {
    DATABASE_URL,
    sql,
    repository: () => openRepository(DATABASE_URL),
    /** As if the next key had been published an hour ago. */
    publish: () => sql("UPDATE signing_keys SET created_at = now() - interval '1 hour' WHERE status = 'next'"),
    statuses: async () => (await sql('SELECT status FROM signing_keys ORDER BY 1')).map(({ status }) => status),
    kidOf: async (status: string) =>
      String((await sql(`SELECT id FROM signing_keys WHERE status = '${status}'`))[0]?.id),
  };
}

/** The keys as one more instance works on them, with a connection of its own. */
function openRepository(url: string) {
  const database = openDatabase({ url, poolSize: 1, log: { warn: () => {} } });
  onTestFinished(() => database.$disconnect());
  return createSigningKeyRepository(database, createKeyRing([Buffer.from(TEST_SECRET, 'base64url')]));
}

const byHand = (from: string) => (keys: Parameters<typeof decideRotation>[0], now: Date) =>
  decideRotation(keys, now, { from, evenIfUnpublished: false });

async function publishedKids(app: FastifyInstance): Promise<string[]> {
  const { keys } = (await app.inject('/.well-known/jwks.json')).json();
  return keys.map(({ kid }: { kid: string }) => kid);
}

const kidOfToken = (token: string) => decodeProtectedHeader(token).kid;

test('rotates once when five instances find it due at the same time, by schedule and by hand', async () => {
  const { DATABASE_URL, repository, sql, publish, statuses, kidOf } = await keyDatabase();
  await buildTestApp({ DATABASE_URL });
  const instances = Array.from({ length: 5 }, repository);
  for (let round = 1; round <= 10; round += 1) {
    await publish();
    await sql("UPDATE signing_keys SET activated_at = now() - interval '30 days' WHERE status = 'active'");
    const successor = await kidOf('next');
    const changes = await Promise.all(
      instances.map((one) =>
        one.change((keys, now) => decideDue(keys, now, { rotationDays: 30 }), { whenLocked: 'wait' }),
      ),
    );
    expect(changes.filter((change) => change !== null && !isNothing(change))).toHaveLength(1);
    expect(await kidOf('active')).toBe(successor);

    await publish();
    const asked = await Promise.allSettled(
      instances.map((one) => one.change(byHand(successor), { whenLocked: 'wait' })),
    );
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const answer of asked) {
      if (answer.status === 'rejected') expect(String(answer.reason)).toContain('Somebody else has just rotated');
    }
  }
  expect(await statuses()).toEqual(['active', 'next', ...Array(20).fill('retired')]);

  await sql(
    `UPDATE signing_keys SET retired_at = now() - interval '${KEEP_RETIRED_SECONDS} seconds' WHERE status = 'retired'`,
  );
  await buildTestApp({ DATABASE_URL });
  expect(await statuses()).toEqual(['active', 'next']);
});

test('leaves it to whoever holds the lock', async () => {
  const { DATABASE_URL, repository, statuses } = await keyDatabase();
  const one = repository();
  const make = () => one.change((keys, now) => decideDue(keys, now, { rotationDays: 30 }), { whenLocked: 'leave' });
  await withClient(DATABASE_URL, async (client) => {
    await client.query('SELECT pg_advisory_lock(7203851115)');
    expect(await make()).toBeNull();
    expect(await statuses()).toEqual([]);
  });
  await expect.poll(make).not.toBeNull();
  expect(await statuses()).toEqual(['active', 'next']);
});

const REQUESTS = 10_000;
const PEOPLE = 20;
const ROTATIONS = 6;

test('refuses 0 of 10,000 requests on two instances while the keys rotate', { timeout: 120_000 }, async () => {
  const { DATABASE_URL, repository, publish, kidOf } = await keyDatabase();
  const instances = [(await buildTestApp({ DATABASE_URL })).app, (await buildTestApp({ DATABASE_URL })).app] as const;
  const statuses: Record<string, number> = {};
  const kids = new Set<unknown>();
  let answered = 0;
  const count = ({ statusCode }: { statusCode: number }) => {
    answered += 1;
    statuses[statusCode] = (statuses[statusCode] ?? 0) + 1;
  };

  /** A person refreshes on one instance and uses the token on both, five requests a round. */
  async function live(person: number): Promise<string> {
    let { refreshToken, accessToken } = await register(instances[0]);
    const first = accessToken;
    for (let round = 0; round < REQUESTS / PEOPLE / 5; round += 1) {
      const refreshed = await refresh(instances[(person + round) % 2 ? 1 : 0], refreshToken);
      count(refreshed);
      refreshToken = cookieOf(refreshed) ?? refreshToken;
      accessToken = refreshed.json().access_token;
      kids.add(kidOfToken(accessToken));
      for (const app of [instances[1], instances[0], instances[1], instances[0]]) count(await getMe(app, accessToken));
    }
    return first;
  }

  const one = repository();
  async function rotateNowAndThen(): Promise<void> {
    for (let rotation = 1; rotation <= ROTATIONS; rotation += 1) {
      const due = (REQUESTS * rotation) / (ROTATIONS + 1);
      await expect.poll(() => answered >= due, { timeout: 60_000, interval: 5 }).toBe(true);
      // The schedule lets six minutes pass; here, until both instances publish it.
      const next = await kidOf('next');
      for (const app of instances) await expect.poll(() => publishedKids(app), { interval: 5 }).toContain(next);
      await publish();
      await one.change(byHand(await kidOf('active')), { whenLocked: 'wait' });
    }
  }

  const [firsts] = await Promise.all([
    Promise.all(Array.from({ length: PEOPLE }, (_, person) => live(person))),
    rotateNowAndThen(),
  ]);
  expect(statuses).toEqual({ 200: REQUESTS });
  expect(kids.size).toBe(ROTATIONS + 1);
  // Those of the very first key, six rotations ago, have not expired and still count; on an instance that is new, too.
  const { app: newcomer } = await buildTestApp({ DATABASE_URL });
  for (const app of [...instances, newcomer]) {
    for (const token of firsts) expect((await getMe(app, token)).statusCode).toBe(200);
  }
});

/** Revokes the key that signed a token, and returns how many milliseconds later the last instance refused it. */
async function revokeAndMeasure(
  repository: ReturnType<typeof openRepository>,
  instances: FastifyInstance[],
  token: string,
): Promise<number> {
  const kid = String(kidOfToken(token));
  // Verified and remembered on every instance.
  for (const app of instances) expect((await getMe(app, token)).statusCode).toBe(200);
  await repository.change((keys) => decideRevocation(keys, kid), { whenLocked: 'wait' });
  const revokedAt = performance.now();
  const refused = instances.map(async (app) => {
    const ask = async () => (await getMe(app, token)).json().code;
    await expect.poll(ask, { timeout: 60_000, interval: 10 }).toBe('access_token_invalid');
    const after = performance.now() - revokedAt;
    expect(await publishedKids(app)).not.toContain(kid);
    return after;
  });
  return Math.max(...(await Promise.all(refused)));
}

test('refuses what a revoked key signed on every instance within a second, and signs with another', async () => {
  const { DATABASE_URL, repository, statuses, kidOf } = await keyDatabase();
  const instances = [(await buildTestApp({ DATABASE_URL })).app, (await buildTestApp({ DATABASE_URL })).app] as const;
  const person = await register(instances[0]);
  const successor = await kidOf('next');
  expect(await revokeAndMeasure(repository(), [...instances], person.accessToken)).toBeLessThan(1_000);

  // Nobody is signed out: apps refresh, and the successor signs.
  const refreshed = await refresh(instances[1], person.refreshToken);
  const token = refreshed.json().access_token;
  expect(kidOfToken(token)).toBe(successor);
  for (const app of instances) expect((await getMe(app, token)).statusCode).toBe(200);
  expect(await statuses()).toEqual(['active', 'next', 'revoked']);

  // An instance that starts later knows it for dead as well.
  const { app: later } = await buildTestApp({ DATABASE_URL });
  expect((await getMe(later, person.accessToken)).json().code).toBe('access_token_invalid');
});

test('refuses what a retired key signed once that one is revoked', async () => {
  const { DATABASE_URL, repository, publish, kidOf } = await keyDatabase();
  const { app } = await buildTestApp({ DATABASE_URL });
  const person = await register(app);
  await publish();
  const one = repository();
  await one.change(byHand(await kidOf('active')), { whenLocked: 'wait' });
  expect(await revokeAndMeasure(one, [app], person.accessToken)).toBeLessThan(1_000);
});

test('refuses what a revoked key signed within a minute on an instance that hears nothing', {
  timeout: 70_000,
}, async () => {
  const { DATABASE_URL, repository } = await keyDatabase();
  const { app } = await buildTestApp({ DATABASE_URL, DATABASE_DIRECT_URL: 'postgresql://nobody@127.0.0.1:1/none' });
  expect((await app.inject('/readyz')).json().checks.revocation).toBe('polling');
  const person = await register(app);
  expect(await revokeAndMeasure(repository(), [app], person.accessToken)).toBeLessThan(60_000);
});

test('keeps nothing of the private half of a revoked key, and lets none sign again', async () => {
  const { DATABASE_URL, repository, sql, kidOf } = await keyDatabase();
  await buildTestApp({ DATABASE_URL });
  const kid = await kidOf('active');
  await repository().change((keys) => decideRevocation(keys, kid), { whenLocked: 'wait' });
  const [row] = await sql(`SELECT length(encrypted_private_key) AS bytes FROM signing_keys WHERE id = '${kid}'`);
  expect(row).toEqual({ bytes: 0 });
  await expect(sql(`UPDATE signing_keys SET status = 'retired' WHERE id = '${kid}'`)).rejects.toThrow(
    /check constraint/,
  );
});
