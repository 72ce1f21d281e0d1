/**
 * `npm run measure:cleanup`: the p99 of refresh while old sessions are deleted, as a ratio to the p99 without,
 * in turns of one run. Prints the ratio; the wanted bound is 1.2.
 */
import pg from 'pg';
import { buildApp } from '../src/app.js';
import { loadConfig } from '../src/config.js';
import { openDatabase } from '../src/database/database.js';
import { applyMigrations } from '../src/database/migrations.js';
import { createRetentionJob } from '../src/modules/retention/retention-job.js';
import { createRetentionRules } from '../src/modules/retention/retention-repository.js';
import { createThrowawayDatabase } from './throwaway-database.js';

const OLD_SESSIONS = 60_000;
const TURNS = 5;
const TURN_MS = 1_500;

const throwaway = await createThrowawayDatabase();
await applyMigrations(throwaway.url);
const app = await buildApp(
  loadConfig({
    DATABASE_URL: throwaway.url,
    APP_SECRETS: Buffer.from(Array.from({ length: 32 }, (_, index) => index)).toString('base64url'),
    ISSUER_URL: 'http://localhost',
    COOKIE_SECURE: 'false',
    RATE_LIMIT_PER_MINUTE: '0',
    BCRYPT_COST: '4',
    LOG_LEVEL: 'silent',
  }),
);
const payload = { email: 'ada@example.com', password: 'correct horse battery staple' };
const registered = await app.inject({ method: 'POST', url: '/v1/auth/register', payload });
let cookie = registered.cookies[0]?.value ?? '';

const client = new pg.Client(throwaway.url);
await client.connect();
await client.query(
  `INSERT INTO sessions (id, user_id, transport, idle_expires_at, expires_at)
   SELECT gen_random_uuid(), user_id, transport, now() - interval '200 days', now() - interval '200 days'
   FROM sessions, generate_series(1, ${OLD_SESSIONS})`,
);
await client.end();

const database = openDatabase({ url: throwaway.url, poolSize: 2, log: { warn: () => {} } });
const quiet: number[] = [];
const cleaning: number[] = [];
let cleaned = 0;
for (let turn = 0; turn < TURNS; turn += 1) {
  quiet.push(p99(await refreshFor(TURN_MS)));
  const job = createRetentionJob({
    rules: createRetentionRules(database, 90),
    onCleaned: ({ sessions = 0 }) => {
      cleaned += sessions;
    },
    onError: (error) => console.error(error),
  });
  const run = job.run();
  cleaning.push(p99(await refreshFor(TURN_MS)));
  await job.stop();
  await run;
}
await database.$disconnect();
await app.close();
await throwaway.drop();
const ratio = median(cleaning) / median(quiet);
console.log(
  `${cleaned} of ${OLD_SESSIONS} deleted meanwhile; p99 of refresh ${median(quiet).toFixed(1)} ms without, ${median(cleaning).toFixed(1)} ms with: ratio ${ratio.toFixed(2)}`,
);

async function refreshFor(milliseconds: number): Promise<number[]> {
  const times: number[] = [];
  const end = performance.now() + milliseconds;
  while (performance.now() < end) {
    const startedAt = performance.now();
    const answer = await app.inject({ method: 'POST', url: '/v1/auth/refresh', cookies: { refresh_token: cookie } });
    times.push(performance.now() - startedAt);
    cookie = answer.cookies[0]?.value ?? '';
  }
  return times;
}

function p99(times: number[]): number {
  return times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0;
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
