import { expect, test } from 'vitest';
import { getMe, logIn } from '../../support/test-app.js';
import { expectRefused, realToken } from './forge.js';
import { bearer, exchange, expectProblem, post } from './support.js';

const ORDER = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');

function integer(bytes: Buffer): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const digits = bytes.subarray(start);
  const padded = (digits[0] ?? 0) > 127 ? Buffer.concat([Buffer.from([0]), digits]) : digits;
  return Buffer.concat([Buffer.from([2, padded.length]), padded]);
}

function toDer(signature: Buffer): Buffer {
  const body = Buffer.concat([integer(signature.subarray(0, 32)), integer(signature.subarray(32))]);
  return Buffer.concat([Buffer.from([0x30, body.length]), body]);
}

const order = Buffer.from(ORDER.toString(16), 'hex');
const one = Buffer.concat([Buffer.alloc(31), Buffer.from([1])]);

test.each<[string, (signature: Buffer) => Buffer]>([
  ['zeros: the psychic signature (CVE-2022-21449)', () => Buffer.alloc(64)],
  ['zeros in DER', () => toDer(Buffer.alloc(64))],
  ['the order of the curve twice', () => Buffer.concat([order, order])],
  ['r zero', (signature) => Buffer.concat([Buffer.alloc(32), signature.subarray(32)])],
  ['s zero', (signature) => Buffer.concat([signature.subarray(0, 32), Buffer.alloc(32)])],
  ['ones', () => Buffer.concat([one, one])],
  ['the real one in DER', toDer],
  ['nothing', () => Buffer.alloc(0)],
  ['one byte', () => Buffer.from([1])],
  ['the real one, one byte short', (signature) => signature.subarray(0, 63)],
  ['the real one and one byte', (signature) => Buffer.concat([signature, Buffer.from([0])])],
  ['a zero and the real one', (signature) => Buffer.concat([Buffer.from([0]), signature])],
  [
    'the real one with r and s swapped',
    (signature) => Buffer.concat([signature.subarray(32), signature.subarray(0, 32)]),
  ],
  [
    'the real one with one bit flipped',
    (signature) => Buffer.concat([signature.subarray(0, 63), Buffer.from([(signature[63] ?? 0) ^ 1])]),
  ],
])('refuses a token whose signature is %s', async (_name, change) => {
  const real = await realToken();
  const signature = change(Buffer.from(real.signature, 'base64url')).toString('base64url');
  await expectRefused(real, real.person.accessToken.replace(real.signature, signature));
});

test('ends the twin of a token too, whose signature is n − s: it names the same session', async () => {
  const { app, person, signature } = await realToken();
  const bytes = Buffer.from(signature, 'base64url');
  const s = ORDER - BigInt(`0x${bytes.toString('hex', 32)}`);
  const twinSignature = Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]);
  const twin = person.accessToken.replace(signature, twinSignature.toString('base64url'));
  expect([200, 401]).toContain((await getMe(app, twin)).statusCode);
  await post(app, '/v1/auth/logout', undefined, { headers: bearer(person.accessToken) });
  for (const token of [twin, person.accessToken]) expectProblem(await getMe(app, token), 401, 'session_ended');
});

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

test.each<[string, (token: string) => string]>([
  [
    'other spare bits in its last character',
    (token) => `${token.slice(0, -1)}${ALPHABET[ALPHABET.indexOf(token.slice(-1)) ^ 1]}`,
  ],
  ['padding at its end', (token) => `${token}==`],
  ['one = at its end', (token) => `${token}=`],
  ['+ and / for - and _', (token) => token.replaceAll('-', '+').replaceAll('_', '/')],
  ['a dot at its end', (token) => `${token}.`],
  ['a fourth part', (token) => `${token}.e30`],
  ['a dot before it', (token) => `.${token}`],
  ['a ~ in its signature', (token) => `${token}~`],
  ['a ~ in its header', (token) => `~${token}`],
  ['padding after its header', (token) => token.replace('.', '=.')],
  ['no signature', (token) => token.slice(0, token.lastIndexOf('.') + 1)],
  ['no signature and no dot', (token) => token.slice(0, token.lastIndexOf('.'))],
  ['its first part alone', (token) => token.slice(0, token.indexOf('.'))],
  ['a part too few in front', (token) => token.slice(token.indexOf('.') + 1)],
  ['16 KB of header', (token) => `${'A'.repeat(16_384)}${token}`],
  ['16 KB of payload', (token) => token.replace('.', `.${'A'.repeat(16_384)}`)],
  ['16 KB of signature', (token) => `${token}${'A'.repeat(16_384)}`],
  ['16 KB of dots', (token) => `${token}${'.'.repeat(16_384)}`],
])('refuses a real token with %s', async (_name, change) => {
  const real = await realToken();
  // Where the trick needs a - or _ in the signature, take a token that has one.
  let { person } = real;
  while (!/[-_][^.]*$/.test(person.accessToken)) person = await logIn(real.app, person.email);
  const token = change(person.accessToken);
  expect(token).not.toBe(person.accessToken);
  await expectRefused({ ...real, person }, token);
});

test.each([' ', '\t', '\u00a0'])('refuses a real token with white space %j inside', async (space) => {
  const real = await realToken();
  const { accessToken } = real.person;
  const answer = await exchange(
    real.app,
    `GET /v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${accessToken.slice(0, 30)}${space}${accessToken.slice(30)}\r\n\r\n`,
  );
  expect(answer.status).toBe(401);
});
