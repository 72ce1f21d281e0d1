import { expect, test } from 'vitest';
import {
  hashRecoveryCode,
  newRecoveryCodes,
  normalizeRecoveryCode,
} from '../../src/modules/second-factor/recovery-codes.js';

const SECRET = Buffer.alloc(20, 3);

test('makes ten different codes that read well, and no two lists alike', () => {
  const lists = Array.from({ length: 100 }, () => newRecoveryCodes());
  for (const codes of lists) {
    expect(codes).toHaveLength(10);
    for (const code of codes) expect(code).toMatch(/^[0-9a-hjkmnp-tv-z]{5}-[0-9a-hjkmnp-tv-z]{5}$/);
  }
  expect(new Set(lists.flat()).size).toBe(1_000);
});

test('uses every character of its alphabet about as often', () => {
  const characters = Array.from({ length: 400 }, () => newRecoveryCodes().join('').replaceAll('-', '')).join('');
  const counts = new Map<string, number>();
  for (const character of characters) counts.set(character, (counts.get(character) ?? 0) + 1);
  expect(counts.size).toBe(32);
  // 1,250 each are expected, with a standard deviation of 35.
  for (const count of counts.values()) expect(Math.abs(count - 1_250)).toBeLessThan(250);
});

test.each([
  ['4k7qm-x9d2c', '4k7qmx9d2c'],
  ['4K7QM-X9D2C', '4k7qmx9d2c'],
  [' 4k7qm x9d2c ', '4k7qmx9d2c'],
  ['4k7qmx9d2c', '4k7qmx9d2c'],
  ['4k7qm–x9d2c', '4k7qmx9d2c'],
  ['4k7qm‑x9d2c', '4k7qmx9d2c'],
  ['4-k-7-q-m_x9d2c', '4k7qmx9d2c'],
  ['OoIiL-00000', '0011100000'],
])('reads %j as a person means it', (typed, code) => {
  expect(normalizeRecoveryCode(typed)).toBe(code);
});

test.each([
  '',
  '4k7qm',
  '4k7qm-x9d2',
  '4k7qm-x9d2cc',
  '4k7qm-x9d2u',
  '4k7qm/x9d2c',
  '123456',
  'ſſſſſ-sssss',
  '4k7qm-x9d2\u0000',
])('takes %j for no recovery code', (typed) => {
  expect(normalizeRecoveryCode(typed)).toBeNull();
});

test('hashes a code to 32 bytes that depend on the factor', () => {
  const hash = hashRecoveryCode('4k7qmx9d2c', SECRET);
  expect(hash).toHaveLength(32);
  expect(hashRecoveryCode('4k7qmx9d2c', SECRET)).toEqual(hash);
  expect(hashRecoveryCode('4k7qmx9d2d', SECRET)).not.toEqual(hash);
  expect(hashRecoveryCode('4k7qmx9d2c', Buffer.alloc(20, 4))).not.toEqual(hash);
});
