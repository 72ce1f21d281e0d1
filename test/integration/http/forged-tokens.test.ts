import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto';
import { SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { freshDatabaseUrl } from '../../support/database.js';
import { withClient } from '../../support/postgres.js';
import { buildTestApp, getMe, register } from '../../support/test-app.js';
import { encode, expectRefused, type Json, partsOf, type Real, realToken, signingKeysOf, signJwt } from './forge.js';
import { expectProblem } from './support.js';

test('accepts a token that is made like the forgeries below, but has nothing wrong with it', async () => {
  const { app, header, claims, key } = await realToken();
  expect((await getMe(app, signJwt(header, claims, key))).statusCode).toBe(200);
  expect(
    (await getMe(app, await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', ...header }).sign(key))).statusCode,
  ).toBe(200);
});

test.each(['none', 'None', 'NONE', 'nOnE', '', 'none '])(
  'refuses a token whose alg is "%s", unsigned or signed',
  async (alg) => {
    const real = await realToken();
    const unsigned = `${encode({ ...real.header, alg })}.${encode(real.claims)}`;
    for (const token of [
      `${unsigned}.`,
      unsigned,
      `${unsigned}.${real.signature}`,
      signJwt({ ...real.header, alg }, real.claims, real.key),
    ]) {
      await expectRefused(real, token);
    }
  },
);

const CONFUSIONS: [string, (real: Real) => string | Buffer][] = [
  ['the public key as PEM', ({ publicKey }) => publicKey.export({ type: 'spki', format: 'pem' })],
  [
    'the public key as PEM without its last line break',
    ({ publicKey }) => publicKey.export({ type: 'spki', format: 'pem' }).toString().trim(),
  ],
  ['the public key as DER', ({ publicKey }) => publicKey.export({ type: 'spki', format: 'der' })],
  ['the public key as JWK', ({ publicKey }) => JSON.stringify(publicKey.export({ format: 'jwk' }))],
  ['an empty secret', () => ''],
];

test.each(CONFUSIONS)('refuses HS256, HS384 and HS512 with %s as the secret', async (_name, secretOf) => {
  const real = await realToken();
  for (const bits of ['256', '384', '512']) {
    const input = `${encode({ ...real.header, alg: `HS${bits}` })}.${encode(real.claims)}`;
    await expectRefused(real, `${input}.${createHmac(`sha${bits}`, secretOf(real)).update(input).digest('base64url')}`);
    // The same secret under the honest alg.
    const honest = `${encode(real.header)}.${encode(real.claims)}`;
    await expectRefused(
      real,
      `${honest}.${createHmac(`sha${bits}`, secretOf(real)).update(honest).digest('base64url')}`,
    );
  }
});

const attacker = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const attackerJwk = attacker.publicKey.export({ format: 'jwk' }) as Json;
const attackerPem = attacker.publicKey.export({ type: 'spki', format: 'pem' }).toString();

test.each<[string, Json]>([
  ['its key embedded as jwk', { jwk: attackerJwk }],
  ['its key embedded as jwk under our kid', { jwk: { ...attackerJwk, use: 'sig', alg: 'ES256' } }],
  ['its private key embedded', { jwk: attacker.privateKey.export({ format: 'jwk' }) }],
  ['a jku', { jku: 'https://evil.example/jwks.json' }],
  ['a jku on our own host', { jku: 'https://auth.example.test/.well-known/jwks.json' }],
  ['an x5u', { x5u: 'https://evil.example/cert.pem' }],
  ['an x5c', { x5c: [attackerPem.replace(/-----[^-]+-----|\n/g, '')] }],
  ['an x5t', { x5t: randomBytes(20).toString('base64url') }],
  ['an unknown crit', { crit: ['https://example.com/must-understand'], 'https://example.com/must-understand': true }],
  ['a crit that names nothing', { crit: [] }],
  ['a crit that names exp', { crit: ['exp'], exp: 1 }],
  ['an unencoded payload', { b64: false, crit: ['b64'] }],
  ['b64 false without crit', { b64: false }],
  ['compression', { zip: 'DEF' }],
  ['a nested content type', { cty: 'JWT' }],
  ['encryption', { enc: 'A256GCM' }],
])('refuses a token with %s, whoever signed it', async (_name, more) => {
  const real = await realToken({ newlyBuilt: true });
  await expectRefused(real, signJwt({ ...real.header, ...more }, real.claims, attacker.privateKey));
  await expectRefused(
    real,
    signJwt({ ...real.header, ...more, kid: crypto.randomUUID() }, real.claims, attacker.privateKey),
  );
  await expectRefused(real, signJwt({ ...real.header, ...more }, real.claims, real.key));
});

test.each<[string, unknown]>([
  ['a path', '../../../../dev/null'],
  ['a path beside ours', 'KID/../../../etc/passwd'],
  ['SQL', "' UNION SELECT '00000000-0000-0000-0000-000000000000' --"],
  ['SQL after ours', "KID' OR '1'='1"],
  ['a command', '|/bin/true'],
  ['nothing', ''],
  ['a list', ['KID']],
  ['a number', 0],
  ['true', true],
  ['null', null],
  ['an object', { contains: 'KID' }],
  ['__proto__', '__proto__'],
  ['NUL at its end', 'KID\0'],
  ['a space at its end', 'KID '],
  ['16,000 characters', 'k'.repeat(16_000)],
  ['a uuid of no key', '0199e0a4-7c1e-7d3a-9d0f-6b1f2a3c4d5e'],
])('refuses a token whose kid is %s', async (_name, kid) => {
  const real = await realToken({ newlyBuilt: true });
  const own = String(real.header.kid);
  const text = JSON.stringify(kid).replaceAll('KID', own);
  await expectRefused(real, signJwt({ ...real.header, kid: JSON.parse(text) }, real.claims, real.key));
});

test('refuses a token without kid, alg or typ, and headers that are no objects', async () => {
  const real = await realToken({ newlyBuilt: true });
  for (const name of ['kid', 'alg', 'typ']) {
    const { [name]: _left, ...header } = real.header;
    await expectRefused(real, signJwt(header, real.claims, real.key));
  }
  for (const header of ['[]', '""', 'null', '1', '{', '', '\ufeff{}']) {
    await expectRefused(real, signJwt(header, real.claims, real.key));
  }
});

test('refuses a token under the kid of a key of another algorithm', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const before = await buildTestApp({ DATABASE_URL });
  const elliptic = partsOf((await register(before.app)).accessToken);
  // The key of the new algorithm is published first; once that is long ago, the next instance lets it sign.
  await buildTestApp({ DATABASE_URL, SIGNING_ALGORITHM: 'EdDSA' });
  await withClient(DATABASE_URL, (client) =>
    client.query("UPDATE signing_keys SET created_at = created_at - interval '1 hour' WHERE status = 'next'"),
  );
  const { app } = await buildTestApp({ DATABASE_URL, SIGNING_ALGORITHM: 'EdDSA' });
  const edwards = partsOf((await register(app)).accessToken);
  const keys = await signingKeysOf(DATABASE_URL);
  const keyOf = (kid: unknown) => keys.find((key) => key.kid === kid)?.decrypt().privateKey ?? expect.unreachable();

  const mixed: [Json, Json, unknown][] = [
    [{ ...elliptic.header, kid: edwards.header.kid }, elliptic.claims, elliptic.header.kid],
    [{ ...edwards.header, kid: elliptic.header.kid }, edwards.claims, edwards.header.kid],
    [{ ...elliptic.header, alg: 'EdDSA' }, elliptic.claims, elliptic.header.kid],
    [{ ...edwards.header, alg: 'ES256' }, edwards.claims, edwards.header.kid],
    [{ ...elliptic.header, alg: 'ES384' }, elliptic.claims, elliptic.header.kid],
    [{ ...elliptic.header, alg: 'RS256' }, elliptic.claims, elliptic.header.kid],
  ];
  for (const [header, claims, signer] of mixed) {
    expectProblem(await getMe(app, signJwt(header, claims, keyOf(signer))), 401, 'access_token_invalid');
  }
  expect((await getMe(app, signJwt(elliptic.header, elliptic.claims, keyOf(elliptic.header.kid)))).statusCode).toBe(
    200,
  );
  expect((await getMe(app, signJwt(edwards.header, edwards.claims, keyOf(edwards.header.kid)))).statusCode).toBe(200);
});

test.each<[string, string]>([
  ['JWT', 'JWT'],
  ['nothing', ''],
  ['JOSE', 'JOSE'],
  ['at+jwt with a space', 'at+jwt '],
  ['an ID token', 'id+jwt'],
  ['a logout token', 'logout+jwt'],
  // RFC 9068 §4 lets a verifier take these two, too. The service takes only what it writes.
  ['at+JWT', 'at+JWT'],
  ['application/at+jwt', 'application/at+jwt'],
])('refuses a token whose typ is %s', async (_name, typ) => {
  const real = await realToken();
  await expectRefused(real, signJwt({ ...real.header, typ }, real.claims, real.key));
});

test.each<[string, Json]>([
  ['the issuer of somebody else', { iss: 'https://evil.example' }],
  ['an issuer that begins like ours', { iss: 'https://auth.example.test.evil.example' }],
  ['our issuer with a slash', { iss: 'https://auth.example.test/' }],
  ['a list of issuers', { iss: ['https://auth.example.test'] }],
  ['no issuer', { iss: undefined }],
  ['another audience', { aud: 'https://other.example' }],
  ['our audience in a list', { aud: ['https://auth.example.test'] }],
  ['our audience in a list with others', { aud: ['https://other.example', 'https://auth.example.test'] }],
  ['no audience', { aud: undefined }],
  ['no user', { sub: undefined }],
  ['a number for a user', { sub: 1 }],
  ['a list for a user', { sub: ['0199e0a4-7c1e-7d3a-9d0f-6b1f2a3c4d5e'] }],
  ['SQL for a user', { sub: "' OR 1=1 --" }],
  ['an operator object for a user', { sub: { not: '' } }],
  ['no session', { sid: undefined }],
  ['a list for a session', { sid: ['0199e0a4-7c1e-7d3a-9d0f-6b1f2a3c4d5e'] }],
  ['an empty session', { sid: '' }],
  ['no generation', { gen: undefined }],
  ['text for a generation', { gen: '1' }],
  ['generation 0', { gen: 0 }],
  ['half a generation', { gen: 1.5 }],
  ['no expiry', { exp: undefined }],
  ['text for an expiry', { exp: '99999999999' }],
  ['null for an expiry', { exp: null }],
  ['a negative expiry', { exp: -1 }],
  ['no time of issue', { iat: undefined }],
  ['text for a time of issue', { iat: 'now' }],
  ['no jti', { jti: undefined }],
  ['no client', { client_id: undefined }],
  ['no time of sign-in', { auth_time: undefined }],
  ['a time before which it is not valid', { nbf: Math.floor(Date.now() / 1000) + 3_600 }],
])('refuses a token with %s, though we signed it', async (_name, changes) => {
  const real = await realToken();
  await expectRefused(real, signJwt(real.header, { ...real.claims, ...changes }, real.key));
});

test.each([
  ['a list', '[]'],
  ['text', '"claims"'],
  ['null', 'null'],
  ['nothing', ''],
  ['no JSON', '{"sub":'],
  ['an empty object', '{}'],
])('refuses a token whose payload is %s, though we signed it', async (_name, payload) => {
  const real = await realToken();
  await expectRefused(real, signJwt(real.header, payload, real.key));
});

test('refuses a token that another key signed under our kid', async () => {
  const real = await realToken();
  await expectRefused(real, signJwt(real.header, real.claims, attacker.privateKey));
});
