import { describe, expect, test } from 'vitest';
import { isCanonical, readAccessClaims, readTokenHeader } from '../../src/modules/tokens/access-claims.js';

const ID = '0198c0de-0000-7000-8000-000000000001';

const CLAIMS = {
  iss: 'https://auth.example.test',
  aud: 'https://api.example.test',
  sub: ID,
  sid: ID,
  gen: 1,
  iat: 0,
  exp: 600,
  jti: 'x',
  client_id: 'gatehouse',
  auth_time: 0,
  amr: ['pwd', 'otp', 'mfa'],
};

test('gives claims as they are, frozen', () => {
  const claims = readAccessClaims({ ...CLAIMS });
  expect(claims).toEqual(CLAIMS);
  expect(Object.isFrozen(claims)).toBe(true);
  const { amr: _none, ...without } = CLAIMS;
  expect(readAccessClaims(without)).toEqual(without);
});

describe('refuses claims of which one is', () => {
  const wrong: Record<string, unknown[]> = {
    iss: [undefined, 1, ['https://auth.example.test']],
    aud: [undefined, ['https://api.example.test'], null],
    sub: [undefined, '', 'ada', ID.toUpperCase(), `${ID}x`, `x${ID}`, 7],
    sid: [undefined, '', 'x', {}],
    gen: [undefined, 0, -1, 1.5, '1'],
    iat: [undefined, -1, 0.5, '0'],
    exp: [undefined, -1, 0.5, '600', null],
    jti: [undefined, '', 1],
    client_id: [undefined, '', 1],
    auth_time: [undefined, -1, '0'],
    amr: ['pwd', [1], ['1', '2', '3', '4', '5', '6']],
  };
  const table = Object.entries(wrong).flatMap(([name, values]) => values.map((value) => [name, value] as const));
  test.each(table)('%s: %j', (name, value) => {
    expect(readAccessClaims({ ...CLAIMS, [name]: value })).toBeNull();
  });

  test.each([null, 'text', 1, [], undefined])('not an object: %j', (payload) => {
    expect(readAccessClaims(payload)).toBeNull();
  });
});

const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const HEADER = { alg: 'ES256', typ: 'at+jwt', kid: ID };

test('reads a header as this service writes it', () => {
  expect(readTokenHeader(`${encode(HEADER)}.x.y`)).toEqual(HEADER);
});

test.each([
  ['nothing', ''],
  ['no dot', encode(HEADER)],
  ['an empty header', `.${encode(HEADER)}.x`],
  ['no JSON', `${encode('{')}.x.y`],
  ['not an object', `${encode('"text"')}.x.y`],
  ['another type', `${encode({ ...HEADER, typ: 'JWT' })}.x.y`],
  ['no type', `${encode({ alg: 'ES256', kid: ID })}.x.y`],
  ['a key by path', `${encode({ ...HEADER, kid: '../../dev/null' })}.x.y`],
  ['no key', `${encode({ alg: 'ES256', typ: 'at+jwt' })}.x.y`],
  ['an algorithm that is no text', `${encode({ ...HEADER, alg: null })}.x.y`],
  ['a key of its own', `${encode({ ...HEADER, jwk: {} })}.x.y`],
  ['more to understand', `${encode({ ...HEADER, crit: ['b64'], b64: false })}.x.y`],
])('reads no header that has %s', (_what, token) => {
  expect(readTokenHeader(token)).toBeNull();
});

test('reads a header of up to 512 characters', () => {
  // JSON may be padded with spaces, which changes nothing that it says.
  const padded = (characters: number) => {
    const bytes = (characters * 3) / 4;
    return `${encode(JSON.stringify(HEADER).padEnd(bytes))}.x.y`;
  };
  expect(padded(512).indexOf('.')).toBe(512);
  expect(readTokenHeader(padded(512))).toEqual(HEADER);
  expect(readTokenHeader(padded(516))).toBeNull();
});

test.each([
  ['three parts, each as its bytes are spelled', 'AA.AQ.Ag', true],
  ['spare bits in the first part', 'AB.AQ.Ag', false],
  ['spare bits in the second part', 'AA.AR.Ag', false],
  ['spare bits in the last part', 'AA.AQ.Ah', false],
  ['two parts', 'AA.AQ', false],
  ['four parts', 'AA.AQ.Ag.AA', false],
  ['padding', 'AA==.AQ.Ag', false],
  ['the other alphabet', '_-8.AQ.+/8', false],
])('%s: %s is spelled as it must be: %s', (_what, token, canonical) => {
  expect(isCanonical(token)).toBe(canonical);
});
