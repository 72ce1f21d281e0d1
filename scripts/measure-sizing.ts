/**
 * `npm run measure:sizing`: what a person, a session and an event take in Postgres, a sign-in and a refresh on one core, and
 * the service in memory, for docs/operations.md. Takes less than a minute.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { buildApp } from '../src/app.js';
import { loadConfig } from '../src/config.js';
import { applyMigrations } from '../src/database/migrations.js';
import { createHashWorkers } from '../src/modules/passwords/hash-workers.js';
import { createEndedSessions } from '../src/modules/revocation/ended-sessions.js';
import { createThrowawayDatabase } from './throwaway-database.js';

const ROWS = 100_000;
const REFRESHES = 1_000;
const ENDED = 100_000;
const HASHES = 5;

const residentMb = () => process.memoryUsage().rss / 1e6;

const database = await createThrowawayDatabase();
const config = loadConfig({
  DATABASE_URL: database.url,
  MIGRATE_ON_START: 'true',
  APP_SECRETS: randomBytes(32).toString('base64url'),
  ISSUER_URL: 'https://auth.example.test',
  RATE_LIMIT_PER_MINUTE: '0',
  RATE_LIMIT_CREDENTIALS_PER_MINUTE: '0',
  BCRYPT_COST: '4',
  LOG_LEVEL: 'silent',
});
await applyMigrations(database.url);
const app = await buildApp(config);
const pool = new pg.Pool({ connectionString: database.url });
try {
  await app.ready();
  console.log(`memory of the process after its start: ${residentMb().toFixed(0)} MB (with the loader of this script)`);

  await pool.query(
    `INSERT INTO users (id, email, password_hash) SELECT gen_random_uuid(), 'person-' || n || '@example.test', repeat('x', 80) FROM generate_series(1, ${ROWS}) n`,
  );
  await pool.query(
    `INSERT INTO sessions (id, user_id, transport, idle_expires_at, expires_at, user_agent, ip)
     SELECT gen_random_uuid(), id, 'cookie', now() + interval '14 days', now() + interval '90 days', repeat('u', 120), '192.0.2.1' FROM users`,
  );
  await pool.query(
    `INSERT INTO events (id, user_id, session_id, type, ip, user_agent, details)
     SELECT gen_random_uuid(), user_id, id, 'login', ip, user_agent, '{"amr": ["pwd"]}' FROM sessions`,
  );
  for (const table of ['users', 'sessions', 'events']) {
    const { rows } = await pool.query(
      `SELECT pg_total_relation_size('${table}')::float8 / count(*) AS bytes FROM ${table}`,
    );
    console.log(`${table}: ${rows[0].bytes.toFixed(0)} bytes a row, with its indexes`);
  }

  const registered = await app.inject({
    method: 'POST',
    url: '/v1/auth/register',
    payload: { email: 'ada@example.test', password: 'correct horse battery staple' },
  });
  let cookie = `__Host-refresh_token=${registered.cookies.find(({ name }) => name === '__Host-refresh_token')?.value}`;
  const startedAt = performance.now();
  for (let count = 0; count < REFRESHES; count += 1) {
    const answer = await app.inject({ method: 'POST', url: '/v1/auth/refresh', headers: { cookie } });
    cookie = `__Host-refresh_token=${answer.cookies.find(({ name }) => name === '__Host-refresh_token')?.value}`;
  }
  console.log(`a refresh, one after the other: ${((performance.now() - startedAt) / REFRESHES).toFixed(2)} ms`);

  const workers = createHashWorkers({ concurrency: 1, queue: HASHES });
  await workers.hash('starts the thread', 4);
  const hashedAt = performance.now();
  for (let count = 0; count < HASHES; count += 1) await workers.hash('a password', 12);
  console.log(`a password at cost 12: ${((performance.now() - hashedAt) / HASHES).toFixed(0)} ms of one core`);
  await workers.close();

  const ended = createEndedSessions(3_660, { now: () => performance.now() });
  const before = process.memoryUsage().heapUsed;
  for (let count = 0; count < ENDED; count += 1) ended.add(crypto.randomUUID(), 'logout');
  console.log(
    `${ended.size()} sessions that ended lately: ${((process.memoryUsage().heapUsed - before) / 1e6).toFixed(1)} MB, what is yet to be collected included`,
  );
} finally {
  await app.close();
  await pool.end();
  await database.drop();
}
