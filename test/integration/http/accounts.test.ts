import { randomBytes } from 'node:crypto';
import bcrypt from 'bcrypt';
import type { LightMyRequestResponse as Response } from 'fastify';
import { Piscina } from 'piscina';
import { expect, onTestFinished, test, vi } from 'vitest';
import { freshDatabaseUrl, sql } from '../../support/database.js';
import { withClient } from '../../support/postgres.js';
import {
  buildTestApp,
  cookieOf,
  freshEmail,
  getMe,
  logIn,
  PASSWORD,
  refresh,
  register,
  sharedTestApp,
  TEST_SECRET,
} from '../../support/test-app.js';
import { codeOf, countUsers, expectProblem, post } from './support.js';

const signIn = async (app: Parameters<typeof post>[0], email: string, password: string = PASSWORD) =>
  (await post(app, '/v1/auth/login', { email, password })).statusCode;

async function hashOf(email: string): Promise<string> {
  const [row] = await sql<{ password_hash: string }>('SELECT password_hash FROM users WHERE email = $1', [email]);
  return row?.password_hash ?? expect.unreachable();
}

/** A local part that no other test uses, in lower-case letters. */
const unique = () => randomBytes(6).toString('hex').replace(/\d/g, 'z');

test.each([
  ['capitals', 'UNIQUE@example.test', 'UNIQUE@EXAMPLE.TEST'],
  ['capitals in the local part', 'ada.UNIQUE@example.test', 'Ada.UNIQUE@example.test'],
  ['space around it', 'UNIQUE@example.test', '  UNIQUE@example.test\t\r\n'],
  ['NFC and NFD', 'jos\u00e9.UNIQUE@example.test', 'jose\u0301.UNIQUE@example.test'],
  ['capitals and NFD', 'jos\u00e9.UNIQUE@example.test', 'JOSE\u0301.UNIQUE@example.test'],
  [
    'Greek capitals',
    '\u03b4\u03bf\u03ba\u03b9\u03bc\u03ae.UNIQUE@example.test',
    '\u0394\u039f\u039a\u0399\u039c\u0389.UNIQUE@example.test',
  ],
  ['an international domain and its ASCII form', 'UNIQUE@b\u00fccher.example', 'UNIQUE@xn--bcher-kva.example'],
  ['a full-width domain', 'UNIQUE@example.test', 'UNIQUE@\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45.test'],
])('takes two spellings for one address: %s', async (_name, one, other) => {
  const { app } = await sharedTestApp();
  const part = unique();
  const [first, second] = [one.replace('UNIQUE', part), other.replace('UNIQUE', part)];
  const registered = await post(app, '/v1/auth/register', { email: first, password: PASSWORD });
  expect(registered.statusCode).toBe(201);
  expectProblem(await post(app, '/v1/auth/register', { email: second, password: PASSWORD }), 409, 'email_taken');
  expect(await signIn(app, second)).toBe(200);
  expect(await countUsers(registered.json().user.email)).toBe(1);
  expect(registered.json().user.email).toBe(registered.json().user.email.normalize('NFC').toLowerCase());
});

test.each([
  ['a dotless i', 'mike.UNIQUE@example.test', 'm\u0131ke.UNIQUE@example.test'],
  ['full-width letters', 'ada.UNIQUE@example.test', '\uff41\uff44\uff41.UNIQUE@example.test'],
  ['Cyrillic letters', 'ada.UNIQUE@example.test', '\u0430da.UNIQUE@example.test'],
  ['a long s', 'sam.UNIQUE@example.test', '\u017fam.UNIQUE@example.test'],
  ['a sharp s and two', 'strasse.UNIQUE@example.test', 'stra\u00dfe.UNIQUE@example.test'],
  ['a ligature', 'fi.UNIQUE@example.test', '\ufb01.UNIQUE@example.test'],
  ['superscript digits', 'a2.UNIQUE@example.test', 'a\u00b2.UNIQUE@example.test'],
  ['a plus tag', 'ada.UNIQUE@example.test', 'ada.UNIQUE+x@example.test'],
  ['dots', 'ada.UNIQUE@example.test', 'adaUNIQUE@example.test'],
  ['a homograph of the domain', 'UNIQUE@example.test', 'UNIQUE@ex\u0430mple.test'],
])('keeps two people apart whose addresses only look alike: %s', async (_name, one, other) => {
  const { app } = await sharedTestApp();
  const part = unique();
  const [victim, attacker] = [one.replace('UNIQUE', part), other.replace('UNIQUE', part)];
  expect((await post(app, '/v1/auth/register', { email: victim, password: PASSWORD })).statusCode).toBe(201);
  const second = await post(app, '/v1/auth/register', { email: attacker, password: 'another password' });
  expect([201, 422]).toContain(second.statusCode);
  expect(await signIn(app, victim, 'another password')).toBe(401);
  expect(await signIn(app, attacker, PASSWORD)).toBe(401);
  expect(await signIn(app, victim)).toBe(200);
});

test.each([
  ['a Kelvin sign', '\u212aate.UNIQUE@example.test', 'kate.UNIQUE@example.test'],
  ['a dotted capital I', '\u0130da.UNIQUE@example.test', 'ida.UNIQUE@example.test'],
  ['an Angstrom sign', '\u212bsa.UNIQUE@example.test', '\u00e5sa.UNIQUE@example.test'],
])('lets nobody into an account by an address with %s', async (_name, typed, victim) => {
  const { app } = await sharedTestApp();
  const part = unique();
  const email = victim.replace('UNIQUE', part);
  await post(app, '/v1/auth/register', { email, password: PASSWORD });
  const response = await post(app, '/v1/auth/register', {
    email: typed.replace('UNIQUE', part),
    password: 'hello world',
  });
  expect(['validation_failed', 'email_taken', undefined]).toContain(codeOf(response));
  expect(await signIn(app, email, 'hello world')).toBe(401);
  expect(await signIn(app, email)).toBe(200);
});

test.each([
  'ada',
  'ada@',
  '@example.test',
  'a b@example.test',
  'ada@localhost',
  'ada@example.test\u0007',
  'a@b@c',
  'ada@[127.0.0.1]',
  'ada@127.0.0.1',
])('refuses to register %j, and answers a sign-in with it as any wrong one', async (email) => {
  const { app } = await sharedTestApp();
  const response = await post(app, '/v1/auth/register', { email, password: PASSWORD });
  const { errors } = expectProblem(response, 422, 'validation_failed');
  expect(errors?.map(({ path }) => path)).toEqual(['/email']);
  expectProblem(await post(app, '/v1/auth/login', { email, password: PASSWORD }), 401, 'invalid_credentials');
});

test('registers an address once when 50 try at once on two instances', async () => {
  const { app, logLines } = await buildTestApp();
  const { app: other, logLines: otherLines } = await buildTestApp();
  const email = freshEmail();
  const attempts = Array.from({ length: 50 }, (_, index) =>
    post(index % 4 < 2 ? app : other, '/v1/auth/register', {
      email: index % 2 ? email : email.toUpperCase(),
      password: `${PASSWORD} ${index}`,
    }),
  );
  const responses = await Promise.all(attempts);
  const statuses = responses.map(({ statusCode }) => statusCode).sort();
  expect(statuses).toEqual([201, ...Array(49).fill(409)]);
  for (const response of responses) if (response.statusCode === 409) expectProblem(response, 409, 'email_taken');
  expect(await countUsers(email)).toBe(1);
  const winner = responses.findIndex(({ statusCode }) => statusCode === 201);
  expect(await signIn(app, email, `${PASSWORD} ${winner}`)).toBe(200);
  const [sessions] = await sql(
    'SELECT count(*)::int AS n FROM sessions s JOIN users u ON u.id = s.user_id WHERE email = $1',
    [email],
  );
  expect(sessions).toEqual({ n: 2 });
  expect([...logLines(), ...otherLines()].filter(({ level }) => level === 'error')).toEqual([]);
});

function comparable({ statusCode, headers, body }: Response) {
  const { date: _date, 'x-request-id': _id, ...rest } = headers;
  return { statusCode, headers: rest, body: body.replace(/"request_id":"[^"]+"/, '') };
}

test('answers byte for byte the same to a wrong password and to an unknown address, after the same work', async () => {
  const { app } = await buildTestApp();
  const { email } = await register(app);
  const hashes = vi.spyOn(Piscina.prototype, 'run');
  onTestFinished(() => hashes.mockRestore());
  const work: number[] = [];
  const answers: ReturnType<typeof comparable>[] = [];
  for (const address of [
    email,
    freshEmail(),
    'no address',
    '\u212aelvin@example.test',
    `${'a'.repeat(65)}@example.test`,
  ]) {
    hashes.mockClear();
    const response = await post(app, '/v1/auth/login', { email: address, password: 'not the password' });
    expectProblem(response, 401, 'invalid_credentials');
    answers.push(comparable(response));
    work.push(hashes.mock.calls.length);
  }
  for (const answer of answers) expect(answer).toEqual(answers[0]);
  expect(new Set(work)).toEqual(new Set([1]));
});

/** So many characters that are hard to guess. */
const phrase = (length: number) => `${PASSWORD} `.repeat(9).slice(0, length);

test.each([
  ['the 73rd byte', `${phrase(72)}b`, `${phrase(72)}c`],
  ['the last of 256 characters', `${phrase(255)}b`, `${phrase(255)}c`],
  ['a byte after it', phrase(72), `${phrase(72)}b`],
  ['capitals', 'correct horse', 'Correct horse'],
  ['a space at its end', 'correct horse', 'correct horse '],
  ['NFC and NFD', 'caf\u00e9 cr\u00e8me', 'cafe\u0301 cre\u0300me'],
  ['full-width letters', 'correct horse', '\uff43orrect horse'],
])('tells passwords apart that differ in %s', async (_name, password, other) => {
  const { app } = await sharedTestApp();
  const { email } = await register(app, { password });
  expect(await signIn(app, email, password)).toBe(200);
  expect(await signIn(app, email, other)).toBe(401);
});

test.each([
  ['emoji', '\u{1f40e}\u{1f50b}\u{1f4ce}\u{1f40e}\u{1f50b}\u{1f4ce}\u{1f600}\u{1f600}'],
  ['Chinese', '\u6b63\u78ba\u7684\u99ac\u96fb\u6c60\u91d8\u66f8\u91dd\u6b63\u78ba'],
  ['control characters', 'tab\tand\u0001bell\u0007and\u001bescape'],
  ['spaces around it', '  correct horse  '],
  ['quotes and SQL', `'; DROP TABLE users; --"`],
  ['256 characters', 'caf\u00e9 cr\u00e8me br\u00fbl\u00e9e '.repeat(20).slice(0, 256)],
])('takes a password of %s as it was sent', async (_name, password) => {
  const { app } = await sharedTestApp();
  const { email } = await register(app, { password });
  expect(await signIn(app, email, password)).toBe(200);
  expect(await signIn(app, email, [...password].slice(0, -1).join(''))).toBe(401);
});

const EIGHT_EMOJI = '\u{1f40e}\u{1f50b}\u{1f4ce}\u{1f600}\u{1f30d}\u{1f680}\u{1f3b8}\u{1f984}';

test('counts the shortest password in characters, and keeps no account of one that is too short', async () => {
  const { app } = await buildTestApp({ PASSWORD_MIN_LENGTH: '8' });
  const email = freshEmail();
  for (const password of ['1234567', '\u{1f600}'.repeat(7), 'x']) {
    const response = await post(app, '/v1/auth/register', { email, password });
    const { errors } = expectProblem(response, 422, 'password_rejected');
    expect(errors?.map(({ path }) => path)).toEqual(['/password']);
  }
  expect(await countUsers(email)).toBe(0);
  expect((await post(app, '/v1/auth/register', { email, password: EIGHT_EMOJI })).statusCode).toBe(201);
});

test.each(['2a', '2b', '2y'])(
  'takes a bcrypt hash $%s$ from elsewhere, and replaces it at the first sign-in',
  async (version) => {
    const { app } = await sharedTestApp();
    const { email } = await register(app);
    const foreign = (await bcrypt.hash('brought along', 5)).replace('$2b$', `$${version}$`);
    await sql('UPDATE users SET password_hash = $2 WHERE email = $1', [email, foreign]);

    expect(await signIn(app, email, PASSWORD)).toBe(401);
    expect(await hashOf(email)).toBe(foreign);
    expect(await signIn(app, email, 'brought along')).toBe(200);
    const renewed = await hashOf(email);
    expect(renewed).toMatch(/^gh1:\d{1,3}:\$2b\$04\$/);
    expect(await signIn(app, email, 'brought along')).toBe(200);
    expect(await hashOf(email)).toBe(renewed);
    expect(await signIn(app, email, PASSWORD)).toBe(401);
  },
);

test.each([
  ['nothing that is known', 'argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA'],
  ['the password itself', PASSWORD],
  ['a secret that is gone', `gh1:999:$2b$04$${'a'.repeat(53)}`],
  ['an impossible cost', `$2b$99$${'a'.repeat(53)}`],
  ['a cost that takes years', `$2b$31$${'a'.repeat(53)}`],
  ['a broken hash', '$2b$04$'],
])('lets nobody in, and answers as to any wrong password, when the stored hash is of %s', async (_name, stored) => {
  const { app } = await sharedTestApp();
  const { email } = await register(app);
  await sql('UPDATE users SET password_hash = $2 WHERE email = $1', [email, stored]);
  for (const password of [PASSWORD, stored]) {
    expectProblem(await post(app, '/v1/auth/login', { email, password }), 401, 'invalid_credentials');
  }
  expect(await hashOf(email)).toBe(stored);
});

test.each([
  ['4', '5'],
  ['5', '4'],
])('replaces a hash of cost %s by one of cost %s at sign-in, and at no wrong password', async (old, current) => {
  const { app: before } = await buildTestApp({ BCRYPT_COST: old });
  const { email } = await register(before);
  const { app } = await buildTestApp({ BCRYPT_COST: current });
  const stored = await hashOf(email);
  expect(await signIn(app, email, 'not the password')).toBe(401);
  expect(await hashOf(email)).toBe(stored);
  expect(await signIn(app, email)).toBe(200);
  expect(await hashOf(email)).toMatch(new RegExp(`^gh1:\\d+:\\$2b\\$0${current}\\$`));
  expect(await signIn(app, email)).toBe(200);
});

/** Secrets are told apart by one byte that is derived from them: take one that differs from the test secret's. */
const NEW_SECRET = Buffer.from(TEST_SECRET, 'base64url').map((byte) => byte ^ 0x5a);

test('goes on with passwords and tokens of an older secret, and renews them with the first one', async () => {
  // A database of its own: its signing keys are encrypted under the new secret by this.
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const stored = (email: string) =>
    withClient(DATABASE_URL, async (client) => {
      const { rows } = await client.query('SELECT password_hash FROM users WHERE email = $1', [email]);
      return String(rows[0]?.password_hash);
    });
  const { app: before } = await buildTestApp({ DATABASE_URL });
  const person = await register(before);
  const device = await logIn(before, person.email);
  const old = await stored(person.email);

  const APP_SECRETS = `${Buffer.from(NEW_SECRET).toString('base64url')},${TEST_SECRET}`;
  const { app } = await buildTestApp({ DATABASE_URL, APP_SECRETS });
  expect((await getMe(app, person.accessToken)).statusCode).toBe(200);
  const refreshed = await refresh(app, person.refreshToken);
  expect(refreshed.statusCode).toBe(200);
  const successor = cookieOf(refreshed) ?? '';
  expect(Buffer.from(successor, 'base64url')[1]).not.toBe(Buffer.from(person.refreshToken, 'base64url')[1]);
  expect(cookieOf(await refresh(app, person.refreshToken))).toBe(successor);
  expect((await refresh(app, successor)).statusCode).toBe(200);

  expect(await signIn(app, person.email, 'not the password')).toBe(401);
  expect(await stored(person.email)).toBe(old);
  expect(await signIn(app, person.email)).toBe(200);
  const renewed = await stored(person.email);
  expect(renewed.split(':')[1]).not.toBe(old.split(':')[1]);
  expect(await signIn(app, person.email)).toBe(200);

  // An instance that still runs with the old secret alone knows neither, and harms neither.
  expectProblem(await refresh(before, successor), 401, 'refresh_token_invalid');
  expect(await signIn(before, person.email)).toBe(401);
  expect(await stored(person.email)).toBe(renewed);
  expect((await refresh(before, device.refreshToken)).statusCode).toBe(200);
});
