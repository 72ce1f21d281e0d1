import bcrypt from 'bcrypt';
import { expect, test } from 'vitest';
import {
  isForeignHash,
  isOutdated,
  prepareComparison,
  prepareNobody,
  preparePassword,
} from '../../src/modules/passwords/password-hash.js';
import { createKeyRing } from '../../src/shared/key-ring.js';

const COST = 4;
const ring = createKeyRing([Buffer.alloc(32, 'a fixed secret for tests, 32 byte')]);
const otherRing = createKeyRing([Buffer.alloc(32, 'another fixed secret for tests!!')]);

function hash(password: string, keyRing = ring): string {
  const { input, store } = preparePassword(password, keyRing);
  return store(bcrypt.hashSync(input, COST));
}

function matches(password: string, stored: string, keyRing = ring): boolean {
  const comparison = prepareComparison(password, stored, keyRing);
  return comparison !== null && bcrypt.compareSync(comparison.input, comparison.bcrypt);
}

test('names its scheme and its secret, and holds the password in no form', () => {
  const stored = hash('correct horse');
  expect(stored).toMatch(/^gh1:\d{1,3}:\$2b\$04\$/);
  expect(stored).not.toContain('correct');
});

test('is not cut at 72 bytes', () => {
  const stored = hash(`${'x'.repeat(72)}a`);
  expect(matches(`${'x'.repeat(72)}a`, stored)).toBe(true);
  expect(matches(`${'x'.repeat(72)}b`, stored)).toBe(false);
});

test('tells passwords apart behind a NUL, and spellings of one character', () => {
  expect(matches('a\0c', hash('a\0b'))).toBe(false);
  expect(matches('jose\u0301', hash('jos\u00e9'))).toBe(false);
});

test('cannot be checked without the secret that peppered it', () => {
  expect(matches('correct horse', hash('correct horse'), otherRing)).toBe(false);
});

test.each(['2a', '2b', '2y'])('checks a hash of scheme %s from elsewhere, and calls it outdated', (version) => {
  const stored = bcrypt.hashSync('correct horse', COST).replace('$2b$', `$${version}$`);
  expect(matches('correct horse', stored)).toBe(true);
  expect(matches('correct cow', stored)).toBe(false);
  expect(isOutdated(stored, COST, ring)).toBe(true);
});

test('is outdated when the cost or the first secret has changed', () => {
  const stored = hash('correct horse');
  expect(isOutdated(stored, COST, ring)).toBe(false);
  expect(isOutdated(stored, COST + 1, ring)).toBe(true);
  expect(isOutdated(stored, COST, otherRing)).toBe(true);
});

test('matches nothing when there is nobody, and costs as much as a hash of ours', () => {
  const { input, bcrypt: nobody } = prepareNobody('', COST, ring);
  expect(bcrypt.compareSync(input, nobody)).toBe(false);
  expect(bcrypt.getRounds(nobody)).toBe(COST);
  expect(input).toHaveLength(preparePassword('correct horse', ring).input.length);
});

test.each([
  ['00', false],
  ['03', false],
  ['04', true],
  ['16', true],
  ['17', false],
  ['31', false],
])('takes a hash from elsewhere at cost %s: %s, since one above 16 would take for ever to check', (cost, taken) => {
  const stored = `$2b$${cost}$${'a'.repeat(53)}`;
  expect(isForeignHash(stored)).toBe(taken);
  expect(prepareComparison('x', stored, ring) !== null).toBe(taken);
});

test('checks a hash from elsewhere as bcrypt does: up to the 72nd byte, and past a NUL', () => {
  const long = bcrypt.hashSync(`${'x'.repeat(72)}a`, COST);
  expect(matches(`${'x'.repeat(72)}b`, long)).toBe(true);
  expect(matches(`${'x'.repeat(71)}b`, long)).toBe(false);
  const withNul = bcrypt.hashSync('a\0b', COST);
  expect(matches('a\0b', withNul)).toBe(true);
  expect(matches('a\0c', withNul)).toBe(false);
});

test.each(['', 'plain text', '$2b$04$short', 'gh1:9:$2b$04$short', '$argon2id$v=19$x'])(
  'takes %j for no hash at all',
  (stored) => {
    expect(prepareComparison('x', stored, ring)).toBeNull();
    expect(isOutdated(stored, COST, ring)).toBe(true);
  },
);
