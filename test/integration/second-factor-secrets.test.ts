import { createHash, randomBytes } from 'node:crypto';
import { Writable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { Secret } from 'otpauth';
import { expect, onTestFinished, test } from 'vitest';
import { buildApp } from '../../src/app.js';
import { loadConfig } from '../../src/config.js';
import { createKeyRing } from '../../src/shared/key-ring.js';
import { seal } from '../../src/shared/seal.js';
import { freshDatabaseUrl, sql } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import {
  asPerson,
  beginLogin,
  codeOf,
  type Enrolled,
  finishLogin,
  registerWithSecondFactor,
  wrongCode,
} from '../support/second-factor.js';
import { buildTestApp, type LogLine, PASSWORD, register, testEnvironment } from '../support/test-app.js';

const secretOf = (name: string) => createHash('sha256').update(name).digest('base64url');
const idOf = (secret: string) => createKeyRing([Buffer.from(secret, 'base64url')]).current.id;
const [OLD, NEW] = [secretOf('the old secret'), secretOf('the new secret')];

async function secretDatabase() {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const ask = (statement: string, values: unknown[] = []) =>
    withClient(DATABASE_URL, async (client) => (await client.query(statement, values)).rows);
  return {
    ask,
    start: (...secrets: string[]) => buildTestApp({ DATABASE_URL, APP_SECRETS: secrets.join(',') }),
    /** People with a factor of the old secret, who do not come by. */
    addStrangers: async (count: number): Promise<void> => {
      const { id, secondFactorEncryption } = createKeyRing([Buffer.from(OLD, 'base64url')]).current;
      const ids = Array.from({ length: count }, () => crypto.randomUUID());
      const sealed = ids.map((userId) => seal(randomBytes(20), secondFactorEncryption, userId));
      await ask(
        "INSERT INTO users (id, email, password_hash) SELECT n, n || '@example.test', 'x' FROM unnest($1::uuid[]) n",
        [ids],
      );
      await ask(
        `INSERT INTO second_factors (user_id, sealed_secret, secret_id, confirmed_at)
         SELECT u, s, $3, now() FROM unnest($1::uuid[], $2::bytea[]) AS n (u, s)`,
        [ids, sealed, id],
      );
    },
    /** Under which secrets factors are sealed. */
    secretIds: async (): Promise<number[]> =>
      (await ask('SELECT DISTINCT secret_id FROM second_factors ORDER BY 1')).map(({ secret_id }) => secret_id),
    /** Somebody new; their codes are forgotten in this database. */
    enrol: async (app: FastifyInstance): Promise<Enrolled> => {
      const person = await registerWithSecondFactor(app);
      await ask('UPDATE second_factors SET last_used_step = 0');
      return person;
    },
  };
}

test('seals anew what an older secret sealed, on however many instances, so that it can go', async () => {
  const { ask, start, secretIds, enrol, addStrangers } = await secretDatabase();
  const before = (await start(OLD)).app;
  const people: Enrolled[] = [];
  for (let count = 0; count < 3; count += 1) people.push(await enrol(before));
  await addStrangers(250);
  const [person] = people;
  const { secret = '' } = person ?? {};
  expect(await secretIds()).toEqual([idOf(OLD)]);

  const instances = await Promise.all([1, 2, 3].map(async () => (await start(NEW, OLD)).app));
  await expect.poll(secretIds).toEqual([idOf(NEW)]);
  for (const one of people) {
    const mfaToken = await beginLogin(instances[0] ?? before, one.email);
    expect((await finishLogin(instances[1] ?? before, mfaToken, codeOf(one.secret))).statusCode).toBe(200);
    expect((await finishLogin(instances[2] ?? before, mfaToken, one.recoveryCodes[0] ?? '')).statusCode).toBe(200);
  }
  // The old one goes. Codes of the app and recovery codes are good as ever.
  const after = (await start(NEW)).app;
  await ask('UPDATE second_factors SET last_used_step = 0');
  const mfaToken = await beginLogin(after, person?.email ?? '');
  expect((await finishLogin(after, mfaToken, codeOf(secret))).statusCode).toBe(200);
  expect((await finishLogin(after, mfaToken, person?.recoveryCodes[1] ?? '')).statusCode).toBe(200);
});

test('starts without a secret under which somebody has a second factor, and says loudly that it is missing', async () => {
  const { ask, start, enrol } = await secretDatabase();
  await enrol((await start(OLD)).app);
  // Signing keys have a refusal of their own.
  await ask('DELETE FROM signing_keys');
  const isSaid = ({ event, level }: LogLine) => event === 'second_factors_orphaned' && level === 'error';
  const { logLines } = await start(NEW);
  expect(logLines().filter(isSaid)).toMatchObject([{ count: 1 }]);
  // What was only begun keeps nobody from signing in.
  await ask('UPDATE second_factors SET confirmed_at = NULL');
  expect((await start(NEW)).logLines().filter(isSaid)).toEqual([]);
});

test('passes over a row that does not open, says so, and seals the others', async () => {
  const { ask, start, secretIds, enrol } = await secretDatabase();
  const before = (await start(OLD)).app;
  const [broken] = [await enrol(before), await enrol(before), await enrol(before)];
  await ask(`UPDATE second_factors SET sealed_secret = decode(repeat('00', 48), 'hex') WHERE user_id = $1`, [
    broken.userId,
  ]);
  const { logLines } = await start(NEW, OLD);
  await expect
    .poll(async () => (await ask('SELECT 1 FROM second_factors WHERE secret_id = $1', [idOf(NEW)])).length)
    .toBe(2);
  expect(await secretIds()).toHaveLength(2);
  await expect.poll(() => logLines().filter(({ level }) => level === 'error')).toHaveLength(1);
});

test("keeps no secret and no recovery code in clear, and gives one person nothing by another's row", async () => {
  const { app } = await buildTestApp();
  const person = await registerWithSecondFactor(app);
  const [row] = await sql<{ sealed_secret: Buffer }>('SELECT * FROM second_factors WHERE user_id = $1', [
    person.userId,
  ]);
  const bytes = Buffer.from(Secret.fromBase32(person.secret).bytes);
  const rows = await sql(
    `SELECT to_jsonb(f)::text AS text FROM second_factors f WHERE user_id = $1
     UNION ALL SELECT to_jsonb(r)::text FROM recovery_codes r WHERE user_id = $1
     UNION ALL SELECT to_jsonb(e)::text FROM events e WHERE user_id = $1
     UNION ALL SELECT to_jsonb(u)::text FROM users u WHERE id = $1`,
    [person.userId],
  );
  const all = JSON.stringify(rows).toLowerCase();
  for (const secret of [person.secret, bytes.toString('hex'), bytes.toString('base64')]) {
    expect(all).not.toContain(secret.toLowerCase());
  }
  for (const code of person.recoveryCodes) {
    const plain = code.replace('-', '');
    for (const form of [
      code,
      plain,
      Buffer.from(plain).toString('hex'),
      createHash('sha256').update(plain).digest('hex'),
    ]) {
      expect(all).not.toContain(form);
    }
  }
  // A sealed secret that is copied to another person's row opens nothing.
  const other = await registerWithSecondFactor(app);
  await sql('UPDATE second_factors SET sealed_secret = $2 WHERE user_id = $1', [other.userId, row?.sealed_secret]);
  const answer = await finishLogin(app, await beginLogin(app, other.email), codeOf(person.secret));
  expect(answer.statusCode).toBe(500);
});

test('leaves no trace of secrets, codes and tokens in the log at trace', async () => {
  const chunks: string[] = [];
  const logStream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  const app = await buildApp(loadConfig(await testEnvironment({ LOG_LEVEL: 'trace' })), { logStream });
  onTestFinished(() => app.close());

  const person = await register(app);
  const begun = (await asPerson(app, person, 'POST', '/v1/me/second-factor')).json();
  const [code, next, wrong] = [codeOf(begun.secret), codeOf(begun.secret, 1), wrongCode(begun.secret)];
  const confirmed = await asPerson(app, person, 'POST', '/v1/me/second-factor/confirm', { code });
  const [recoveryCode, ...recoveryCodes]: string[] = confirmed.json().recovery_codes;
  const mfaToken = await beginLogin(app, person.email);
  await finishLogin(app, mfaToken, wrong);
  const signedIn = await finishLogin(app, mfaToken, next);
  expect(signedIn.statusCode).toBe(200);
  const proof = { password: PASSWORD, code: recoveryCode };
  expect((await asPerson(app, person, 'POST', '/v1/auth/reauthenticate', proof)).statusCode).toBe(200);
  await asPerson(app, person, 'POST', '/v1/me/second-factor/disable', { password: PASSWORD, code: { recoveryCode } });
  await asPerson(app, person, 'POST', '/v1/me/second-factor/disable', { password: PASSWORD, code: recoveryCodes[0] });

  const log = chunks.join('');
  expect(log).toContain(signedIn.headers['x-request-id']);
  const secrets = [
    begun.secret,
    begun.otpauth_url,
    recoveryCode ?? '',
    ...recoveryCodes,
    mfaToken,
    PASSWORD,
    person.email,
  ];
  for (const secret of secrets) expect(log).not.toContain(secret);
  // Six digits can be part of any number: as a value of their own they are not there.
  for (const digits of [code, next, wrong]) expect(log).not.toMatch(new RegExp(`\\b${digits}\\b(?![-.])`));
});
