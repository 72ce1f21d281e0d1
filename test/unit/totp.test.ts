import { expect, test } from 'vitest';
import { findStep, newTotpSecret, toBase32, toOtpauthUrl } from '../../src/modules/second-factor/totp.js';

/** RFC 6238 appendix B, SHA-1, cut to the six digits that are in use. */
const SECRET = Buffer.from('12345678901234567890');
const VECTORS = [
  [59, '287082'],
  [1_111_111_109, '081804'],
  [1_111_111_111, '050471'],
  [1_234_567_890, '005924'],
  [2_000_000_000, '279037'],
  [20_000_000_000, '353130'],
] as const;

test.each(VECTORS)('finds the step of the code that RFC 6238 gives for second %i', (second, code) => {
  expect(findStep(SECRET, code, second * 1000)).toBe(Math.floor(second / 30));
});

test('takes the code of one step before and after, and of none further off', () => {
  const [second, code] = VECTORS[3];
  const step = Math.floor(second / 30);
  const at = (offset: number) => findStep(SECRET, code, (step + offset) * 30_000 + 15_000);
  expect([-2, -1, 0, 1, 2].map(at)).toEqual([null, step, step, step, null]);
  // To the millisecond.
  expect(findStep(SECRET, code, (step + 2) * 30_000 - 1)).toBe(step);
  expect(findStep(SECRET, code, (step + 2) * 30_000)).toBeNull();
  expect(findStep(SECRET, code, (step - 1) * 30_000)).toBe(step);
  expect(findStep(SECRET, code, (step - 1) * 30_000 - 1)).toBeNull();
});

test('takes a code in groups, as apps show it', () => {
  expect(findStep(SECRET, ' 287 082 ', 59_000)).toBe(1);
});

test.each([
  '',
  '28708',
  '2870822',
  '28708a',
  '28708²',
  '２８７０８２',
  '28708\u0000',
  '+28708',
  '2.8708',
  'éééééé',
  '😀😀😀',
])('takes %j for no code, without throwing', (code) => {
  expect(findStep(SECRET, code, 59_000)).toBeNull();
});

test('makes secrets of 160 bits that differ', () => {
  const secrets = Array.from({ length: 100 }, () => newTotpSecret());
  expect(new Set(secrets.map(toBase32)).size).toBe(100);
  for (const secret of secrets) expect(toBase32(secret)).toMatch(/^[A-Z2-7]{32}$/);
});

test('writes the URI that authenticator apps read', () => {
  const url = new URL(toOtpauthUrl(SECRET, { issuer: 'Ada & Söhne', label: 'ada+1@example.com' }));
  expect(url.protocol).toBe('otpauth:');
  expect(url.host).toBe('totp');
  expect(decodeURIComponent(url.pathname)).toBe('/Ada & Söhne:ada+1@example.com');
  expect(Object.fromEntries(url.searchParams)).toEqual({
    issuer: 'Ada & Söhne',
    secret: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
    algorithm: 'SHA1',
    digits: '6',
    period: '30',
  });
});

test('reads a secret that is a window on a larger buffer as what it is', () => {
  const window = Buffer.concat([Buffer.alloc(7, 9), SECRET, Buffer.alloc(7, 9)]).subarray(7, 27);
  expect(toBase32(window)).toBe('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ');
});
