import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { get } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { Value } from 'typebox/value';
import { expect, test } from 'vitest';
import { ExportSchema } from '../../src/modules/accounts/export-schemas.js';
import { secretId } from '../../src/shared/key-ring.js';
import { bearer, changePassword, leave, logOut, NEW_PASSWORD } from '../support/accounts.js';
import { sql } from '../support/database.js';
import { buildTestApp, logIn, PASSWORD, refresh, register, TEST_SECRET } from '../support/test-app.js';
import { expectProblem, watchQueries } from './http/support.js';

const MAIL = { SMTP_URL: 'smtp://127.0.0.1:1', MAIL_FROM: 'auth@example.test', APP_URL: 'https://app.example.test' };

const askFor = (app: FastifyInstance, accessToken: string) =>
  app.inject({ url: '/v1/me/export', headers: bearer(accessToken) });

test('gives a person all that is kept on them, as a file, and no secret', async () => {
  const { app } = await buildTestApp({ ...MAIL, REFRESH_GRACE_SECONDS: '0', REFRESH_RECOVERY_SECONDS: '0' });
  const stranger = await register(app);
  const person = await register(app);
  const laptop = await logIn(app, person.email);
  await refresh(app, laptop.refreshToken);
  await refresh(app, laptop.refreshToken);
  const gone = await logIn(app, person.email);
  await logOut(app, gone.refreshToken);
  expect((await changePassword(app, person.accessToken)).statusCode).toBe(200);
  const tokenHash = createHash('sha256').update(person.userId).digest();
  await sql(
    `INSERT INTO one_time_tokens (token_hash, user_id, purpose, email, expires_at)
     VALUES ($1, $2, 'verify_email', $3, now() + interval '1 day')
     ON CONFLICT (user_id, purpose) DO UPDATE SET expires_at = excluded.expires_at`,
    [tokenHash, person.userId, person.email],
  );
  await sql(
    "INSERT INTO second_factors (user_id, sealed_secret, secret_id, confirmed_at) VALUES ($1, decode(repeat('ab', 60), 'hex'), $2, now())",
    [person.userId, secretId(Buffer.from(TEST_SECRET, 'base64url'))],
  );
  await sql('INSERT INTO recovery_codes (user_id, code_hash) VALUES ($1, $2)', [person.userId, tokenHash]);

  const response = await askFor(app, person.accessToken);
  expect(response.statusCode).toBe(200);
  expect(response.headers).toMatchObject({
    'content-type': 'application/json; charset=utf-8',
    'content-disposition': `attachment; filename="account-${person.userId}.json"`,
    'cache-control': 'no-store',
  });
  const document = response.json();
  expect([...Value.Errors(ExportSchema, document)]).toEqual([]);
  expect(document.user).toMatchObject({ id: person.userId, email: person.email, email_verified_at: null });
  expect(document.second_factor).toMatchObject({ recovery_codes_left: 1 });
  expect(document.one_time_tokens).toEqual([
    { purpose: 'verify_email', created_at: expect.any(String), expires_at: expect.any(String) },
  ]);
  expect(document.mails.map(({ kind }: { kind: string }) => kind).sort()).toEqual([
    'password_changed',
    'refresh_reuse',
    'verify_email',
  ]);
  const sessions = new Map(
    document.sessions.map((one: { id: string; end_reason: string }) => [one.id, one.end_reason]),
  );
  expect(sessions).toEqual(
    new Map([
      [person.sessionId, null],
      [laptop.sessionId, 'reuse_detected'],
      [gone.sessionId, 'logout'],
    ]),
  );
  expect(document.reuse_incidents).toMatchObject([{ session_id: laptop.sessionId, ip: '127.0.0.1' }]);
  expect(document.events).toHaveLength(7);

  const [{ password_hash: passwordHash = '' } = {}] = await sql<{ password_hash: string }>(
    'SELECT password_hash FROM users WHERE id = $1',
    [person.userId],
  );
  const secrets = [passwordHash, PASSWORD, NEW_PASSWORD, tokenHash.toString('hex'), tokenHash.toString('base64')];
  for (const secret of [...secrets, 'abababab', stranger.userId, stranger.email, person.refreshToken]) {
    expect(response.body.includes(secret)).toBe(false);
  }
});

test('gives a new person as complete a document, and needs an access token', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  const document = (await askFor(app, person.accessToken)).json();
  expect([...Value.Errors(ExportSchema, document)]).toEqual([]);
  expect(document).toMatchObject({ second_factor: null, one_time_tokens: [], mails: [], reuse_incidents: [] });
  expectProblem(await app.inject('/v1/me/export'), 401, 'access_token_missing');
  await leave(app, person.accessToken);
  expectProblem(await askFor(app, person.accessToken), 401, 'session_ended');
});

test('reads ten thousand events in pages, each once, and lets others have their turn', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  await sql(
    `INSERT INTO events (id, user_id, type, ip, user_agent, created_at)
     SELECT gen_random_uuid(), $1, 'login_failed', '203.0.113.7', repeat('x', 100),
       now() - interval '1 day' + (n / 700) * interval '1 microsecond'
     FROM generate_series(1, 10000) n`,
    [person.userId],
  );
  const count = watchQueries();
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 1);
  const response = await askFor(app, person.accessToken);
  clearInterval(timer);
  const ids = response.json().events.map(({ id }: { id: string }) => id);
  expect(new Set(ids).size).toBe(10_002);
  expect(ids).toHaveLength(10_002);
  expect(count('FROM events')).toBeGreaterThanOrEqual(20);
  // Between pages at the least.
  expect(turns).toBeGreaterThan(10);
});

test('stops reading when the client has gone', async () => {
  const { app } = await buildTestApp();
  const person = await register(app);
  await sql(
    `INSERT INTO events (id, user_id, type, user_agent)
     SELECT gen_random_uuid(), $1, 'login_failed', repeat('x', 256) FROM generate_series(1, 20000) n`,
    [person.userId],
  );
  const address = await app.listen({ host: '127.0.0.1', port: 0 });
  const count = watchQueries();
  const asked = get(`${address}/v1/me/export`, { headers: bearer(person.accessToken) });
  await once(asked, 'response');
  asked.destroy();
  // The whole would be 41 pages; what is not taken is not read.
  let before = -1;
  const hasStopped = () => {
    const stopped = count('FROM events') === before;
    before = count('FROM events');
    return stopped;
  };
  await expect.poll(hasStopped, { interval: 100 }).toBe(true);
  expect(before).toBeLessThan(35);
  expect((await app.inject('/livez')).statusCode).toBe(200);
});
