import { createAttemptRepository } from '../../src/modules/attempts/attempt-repository.js';
import { createKeyRing } from '../../src/shared/key-ring.js';
import { sql } from './database.js';
import { TEST_SECRET } from './test-app.js';

const keyRing = createKeyRing([Buffer.from(TEST_SECRET, 'base64url')]);

/** As what test apps keep a subject, such as `account|sign_in|ada@example.com`. */
export const subjectOf = createAttemptRepository(undefined as never, keyRing).hash;

/** How many failures count for a subject. */
export async function failuresOf(subject: Buffer): Promise<number> {
  const [row] = await sql<{ failures: number }>('SELECT failures FROM attempts WHERE subject = $1', [subject]);
  return Math.round(row?.failures ?? 0);
}

/** Lets delays pass without waiting for them. What is stopped for good stays so. */
export async function waitOut(subjects: Buffer[]): Promise<void> {
  await sql('UPDATE attempts SET blocked_until = last_attempt_at WHERE subject = ANY($1) AND isfinite(blocked_until)', [
    subjects,
  ]);
}

/** As if so many failures had been counted just now, all delays being over. */
export async function pretendFailures(subject: Buffer, failures: number): Promise<void> {
  await sql(
    `INSERT INTO attempts VALUES ($1, $2, now(), now())
     ON CONFLICT (subject) DO UPDATE SET failures = $2, blocked_until = now(), last_attempt_at = now()`,
    [subject, failures],
  );
}
