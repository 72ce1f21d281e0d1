import { expect, test } from 'vitest';
import { openDatabase } from '../../src/database/database.js';
import { createRetentionJob } from '../../src/modules/retention/retention-job.js';
import { createRetentionRules } from '../../src/modules/retention/retention-repository.js';
import { freshDatabaseUrl } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import { buildTestApp, PASSWORD, refresh, register } from '../support/test-app.js';

function openJob(url: string, retentionDays = 30) {
  const database = openDatabase({ url, poolSize: 2, log: { warn: () => {} } });
  const cleaned: object[] = [];
  const job = createRetentionJob({
    rules: createRetentionRules(database, retentionDays),
    onCleaned: (counts) => cleaned.push(counts),
    onError: (error) => {
      throw error;
    },
  });
  return { job, cleaned, close: () => database.$disconnect() };
}

/** Copies a session many times, each with the given times. */
function copySession(url: string, sessionId: string, count: number, columns: string) {
  return withClient(url, (client) =>
    client.query(
      `INSERT INTO sessions (id, user_id, transport, created_at, idle_expires_at, expires_at, ended_at, end_reason)
       SELECT gen_random_uuid(), user_id, transport, now() - interval '200 days', ${columns}
       FROM sessions, generate_series(1, ${count}) WHERE id = $1`,
      [sessionId],
    ),
  );
}

test('deletes what ended or expired before the retention, keeps the rest, and counts', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const { app } = await buildTestApp({ DATABASE_URL });
  const { sessionId, refreshToken } = await register(app);
  const days = (count: number) => `now() - interval '${count} days'`;
  await copySession(DATABASE_URL, sessionId, 1_200, `${days(60)}, ${days(31)}, NULL, NULL`);
  await copySession(DATABASE_URL, sessionId, 300, `${days(60)}, now() + interval '1 day', ${days(31)}, 'logout'`);
  await copySession(DATABASE_URL, sessionId, 7, `${days(60)}, now() + interval '1 day', ${days(29)}, 'logout'`);
  await copySession(DATABASE_URL, sessionId, 5, `${days(60)}, ${days(29)}, NULL, NULL`);

  const { job, cleaned, close } = openJob(DATABASE_URL);
  expect(await job.run()).toEqual({ sessions: 1_500 });
  expect(cleaned).toEqual([{ sessions: 1_500 }]);
  expect(await job.run()).toEqual({});
  await close();
  const { rows } = await withClient(DATABASE_URL, (client) => client.query('SELECT count(*)::int FROM sessions'));
  expect(rows).toEqual([{ count: 13 }]);
  expect((await refresh(app, refreshToken)).statusCode).toBe(200);
});

test('cleans from several instances at once, and leaves locked rows alone', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const { app } = await buildTestApp({ DATABASE_URL });
  const { sessionId } = await register(app);
  await copySession(
    DATABASE_URL,
    sessionId,
    3_000,
    "now() - interval '60 days', now() - interval '60 days', NULL, NULL",
  );
  await withClient(DATABASE_URL, async (holder) => {
    await holder.query('BEGIN');
    await holder.query("SELECT FROM sessions WHERE expires_at < now() - interval '30 days' LIMIT 10 FOR UPDATE");
    const jobs = Array.from({ length: 4 }, () => openJob(DATABASE_URL));
    const counts = await Promise.all(jobs.map(({ job }) => job.run()));
    expect(counts.reduce((sum, { sessions = 0 }) => sum + sessions, 0)).toBe(2_990);
    await holder.query('ROLLBACK');
    await Promise.all(jobs.map(({ close }) => close()));
  });
});

test('deletes old incidents', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const { app } = await buildTestApp({ DATABASE_URL });
  const { userId, sessionId } = await register(app);
  await withClient(DATABASE_URL, (client) =>
    client.query(
      `INSERT INTO reuse_incidents (id, session_id, user_id, detected_at, generation, presented_generation, rotated_at)
       SELECT gen_random_uuid(), $1, $2, now() - make_interval(days => n), 3, 1, now() FROM generate_series(1, 60) n`,
      [sessionId, userId],
    ),
  );
  const { job, close } = openJob(DATABASE_URL);
  expect(await job.run()).toEqual({ reuse_incidents: 31 });
  await close();
});

test('deletes counted guesses that are old, and not those that were stopped for good', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  await withClient(DATABASE_URL, (client) =>
    client.query(
      `INSERT INTO attempts (subject, failures, last_attempt_at, blocked_until)
       SELECT sha256(n::text::bytea), 4, at, CASE WHEN n % 10 = 0 THEN 'infinity' ELSE at END
       FROM generate_series(1, 60) n, LATERAL (SELECT now() - make_interval(days => n) AS at)`,
    ),
  );
  const { job, close } = openJob(DATABASE_URL);
  expect(await job.run()).toEqual({ attempts: 27 });
  await close();
  const { rows } = await withClient(DATABASE_URL, (client) =>
    client.query("SELECT count(*)::int FROM attempts WHERE blocked_until = 'infinity'"),
  );
  expect(rows).toEqual([{ count: 6 }]);
});

test('answers refresh_token_invalid for a token whose session has been cleaned away', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const { app } = await buildTestApp({ DATABASE_URL });
  const { sessionId, refreshToken } = await register(app);
  await withClient(DATABASE_URL, async (client) => {
    const past = "now() - interval '91 days'";
    await client.query(`UPDATE sessions SET idle_expires_at = ${past}, expires_at = ${past} WHERE id = $1`, [
      sessionId,
    ]);
  });
  const { job, close } = openJob(DATABASE_URL);
  expect(await job.run()).toEqual({ sessions: 1 });
  await close();
  expect((await refresh(app, refreshToken)).json().code).toBe('refresh_token_invalid');
});

test('deletes old events, dead mails and attempts after the retention, endings after a day, links when they have expired', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const { app } = await buildTestApp({ DATABASE_URL });
  const { userId } = await register(app);
  await withClient(DATABASE_URL, async (client) => {
    const ago = (unit: string) => `now() - make_interval(${unit} => n) + interval '1 minute'`;
    const fill = (statement: string) => client.query(`${statement} FROM generate_series(1, 60) n`);
    await fill(`INSERT INTO events (id, user_id, type, created_at)
      SELECT gen_random_uuid(), '${userId}', 'login_failed', ${ago('days')}`);
    await fill(`INSERT INTO outbox_mails (id, kind, recipient, created_at, failed_at)
      SELECT gen_random_uuid(), 'verify_email', n || '@example.test', ${ago('days')}, ${ago('days')}`);
    // Still waiting, for whatever reason.
    await fill(`INSERT INTO outbox_mails (id, kind, recipient, created_at)
      SELECT gen_random_uuid(), 'reset_password', n || '@example.test', ${ago('days')}`);
    await fill(`INSERT INTO attempts (subject, failures, last_attempt_at, blocked_until)
      SELECT sha256(n::text::bytea), 4, ${ago('days')}, ${ago('days')}`);
    // Near to being stopped: not forgotten by waiting, however short the retention.
    await fill(`INSERT INTO attempts (subject, failures, last_attempt_at, blocked_until)
      SELECT sha256(('near' || n)::bytea), 99, ${ago('days')}, ${ago('days')}`);
    await fill(`INSERT INTO session_endings (session_id, reason, ended_at, position)
      SELECT gen_random_uuid(), 'logout', ${ago('hours')}, n`);
  });
  await withClient(DATABASE_URL, (client) =>
    client.query(
      `INSERT INTO one_time_tokens (token_hash, user_id, purpose, email, created_at, expires_at) VALUES
       (sha256('a'), $1, 'verify_email', 'a@example.test', now() - interval '49 hours', now() - interval '1 day'),
       (sha256('b'), $1, 'reset_password', 'a@example.test', now() - interval '47 hours', '-infinity')`,
      [userId],
    ),
  );
  const { job, close } = openJob(DATABASE_URL);
  const due = 60 - 30;
  expect(await job.run()).toEqual({
    events: due,
    outbox_mails: 2 * due,
    attempts: due,
    session_endings: 60 - 24,
    one_time_tokens: 1,
  });
  expect(await job.run()).toEqual({});
  await close();
});

test('erases the rest of what told of a person who had more events than leaving can erase at once', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const { app } = await buildTestApp({ DATABASE_URL });
  const stays = await register(app);
  const person = await register(app);
  const ip = '203.0.113.77';
  await withClient(DATABASE_URL, (client) =>
    client.query(
      `INSERT INTO events (id, user_id, session_id, type, ip, user_agent, details)
       SELECT gen_random_uuid(), $1, gen_random_uuid(), 'login_failed', $2, 'Browser', '{"a": 1}'
       FROM generate_series(1, 5000)`,
      [person.userId, ip],
    ),
  );
  const headers = { authorization: `Bearer ${person.accessToken}` };
  const gone = await app.inject({ method: 'DELETE', url: '/v1/me', payload: { password: PASSWORD }, headers });
  expect(gone.statusCode).toBe(204);
  const telling = () =>
    withClient(DATABASE_URL, async (client) => {
      const { rows } = await client.query(
        `SELECT count(*)::int FROM events WHERE user_id = $1
         AND (session_id IS NOT NULL OR ip IS NOT NULL OR user_agent IS NOT NULL OR details <> '{}')`,
        [person.userId],
      );
      return rows[0].count;
    });
  expect(await telling()).toBeGreaterThan(2_000);

  const jobs = [openJob(DATABASE_URL), openJob(DATABASE_URL)];
  await Promise.all(jobs.map(({ job }) => job.run()));
  expect(await telling()).toBe(0);
  expect(await jobs[0]?.job.run()).toEqual({});
  await Promise.all(jobs.map(({ close }) => close()));
  const { rows } = await withClient(DATABASE_URL, (client) =>
    client.query('SELECT ip FROM events WHERE user_id = $1', [stays.userId]),
  );
  expect(rows.map((row) => row.ip)).toEqual(['127.0.0.1', '127.0.0.1']);
});
