import { expect, test } from 'vitest';
import { openDatabase } from '../../src/database/database.js';
import { createRetentionJob } from '../../src/modules/retention/retention-job.js';
import { createRetentionRepository } from '../../src/modules/retention/retention-repository.js';
import { freshDatabaseUrl } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import { buildTestApp, refresh, register } from '../support/test-app.js';

function openJob(url: string, retentionDays = 30) {
  const database = openDatabase({ url, poolSize: 2, log: { warn: () => {} } });
  const cleaned: object[] = [];
  const job = createRetentionJob({
    repository: createRetentionRepository(database),
    retentionDays,
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
  expect(await job.run()).toEqual({ sessions: 1_500, incidents: 0 });
  expect(cleaned).toEqual([{ sessions: 1_500, incidents: 0 }]);
  expect(await job.run()).toEqual({ sessions: 0, incidents: 0 });
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
    expect(counts.reduce((sum, { sessions }) => sum + sessions, 0)).toBe(2_990);
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
  expect(await job.run()).toEqual({ sessions: 0, incidents: 31 });
  await close();
});

test('answers refresh_token_invalid for a token whose session has been cleaned away', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const { app } = await buildTestApp({ DATABASE_URL });
  const { sessionId, refreshToken } = await register(app);
  await withClient(DATABASE_URL, (client) => client.query('DELETE FROM sessions WHERE id = $1', [sessionId]));
  expect((await refresh(app, refreshToken)).json().code).toBe('refresh_token_invalid');
});
