import { setTimeout as pause } from 'node:timers/promises';
import bcrypt from 'bcrypt';
import type { FastifyInstance } from 'fastify';
import { expect, test } from 'vitest';
import { preparePassword } from '../../src/modules/passwords/password-hash.js';
import { createKeyRing } from '../../src/shared/key-ring.js';
import { freshDatabaseUrl } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import { buildTestApp, freshEmail, TEST_SECRET } from '../support/test-app.js';

/** Cheap, so that whatever else differs weighs more than it does in production. */
const COST = 6;
const PAIRS = 500;
const MAX_GAP = 0.05;
/** A machine that does other things may spoil a measurement; a leak spoils every one. */
const MEASUREMENTS = 3;

/** People whom nobody has guessed at yet, so that no delay is measured. */
async function addPeople(databaseUrl: string, count: number): Promise<string[]> {
  const { input, store } = preparePassword(
    'correct horse battery staple',
    createKeyRing([Buffer.from(TEST_SECRET, 'base64url')]),
  );
  const hash = store(bcrypt.hashSync(input, COST));
  const emails = Array.from({ length: count }, freshEmail);
  await withClient(databaseUrl, (client) =>
    client.query(
      'INSERT INTO users (id, email, password_hash) SELECT gen_random_uuid(), email, $2 FROM unnest($1::text[]) AS email',
      [emails, hash],
    ),
  );
  return emails;
}

async function timeLogin(app: FastifyInstance, email: string, number: number): Promise<number> {
  const startedAt = performance.now();
  const response = await app.inject({
    method: 'POST',
    url: '/v1/auth/login',
    payload: { email, password: 'not the password' },
    remoteAddress: `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`,
  });
  const milliseconds = performance.now() - startedAt;
  expect(response.statusCode).toBe(401);
  // What is recorded of a failure is written after the answer: it must not be measured as part of the next one.
  await pause(3);
  return milliseconds;
}

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

test('answers to an address that is unknown as fast as to one that is known: medians of 500 interleaved pairs', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const { app } = await buildTestApp({ DATABASE_URL, BCRYPT_COST: String(COST) });
  const people = await addPeople(DATABASE_URL, (PAIRS + 20) * MEASUREMENTS);
  let number = 0;
  const gaps: number[] = [];
  while (gaps.length < MEASUREMENTS && !gaps.some((gap) => gap < MAX_GAP)) {
    const known: number[] = [];
    const unknown: number[] = [];
    for (let pair = -20; pair < PAIRS; pair += 1) {
      const person = people.pop() ?? expect.unreachable();
      // The first ones warm up; then each goes first half of the time.
      const order = pair % 2 ? ['known', 'unknown'] : ['unknown', 'known'];
      for (const kind of order) {
        number += 1;
        const milliseconds = await timeLogin(app, kind === 'known' ? person : freshEmail(), number);
        if (pair >= 0) (kind === 'known' ? known : unknown).push(milliseconds);
      }
    }
    gaps.push(Math.abs(median(known) / median(unknown) - 1));
  }
  console.log(
    `timing gap of known and unknown addresses: ${gaps.map((gap) => `${(gap * 100).toFixed(2)} %`).join(', ')}`,
  );
  expect(Math.min(...gaps)).toBeLessThan(MAX_GAP);
});
