import { describe, expect, test } from 'vitest';
import { ConfigSchema } from '../../src/config-schema.js';
import {
  decideDue,
  decideRevocation,
  decideRotation,
  isNothing,
  KEEP_RETIRED_SECONDS,
  KeyChangeRefused,
  type KeyPolicy,
  PUBLISH_SECONDS,
  type ScheduledKey,
} from '../../src/modules/tokens/signing-key-schedule.js';

const NOW = new Date('2026-11-22T12:00:00Z');
const DAY = 86_400;
const ago = (seconds: number) => new Date(NOW.getTime() - seconds * 1000);

type Given = { age?: number; algorithm?: ScheduledKey['algorithm']; kid?: string };

/** Keys by status; `age` counts from when each took on its status. */
const next = ({ age = DAY, algorithm = 'ES256', kid = 'next' }: Given = {}): ScheduledKey => ({
  kid,
  algorithm,
  status: 'next',
  createdAt: ago(age),
  activatedAt: null,
  retiredAt: null,
});
const active = ({ age = DAY, algorithm = 'ES256', kid = 'active' }: Given = {}): ScheduledKey => ({
  ...next({ age: age + DAY, algorithm, kid }),
  status: 'active',
  activatedAt: ago(age),
});
const retired = ({ age = 60, algorithm = 'ES256', kid = 'retired' }: Given = {}): ScheduledKey => ({
  ...active({ age: age + DAY, algorithm, kid }),
  status: 'retired',
  retiredAt: ago(age),
});
const revoked = (kid = 'revoked'): ScheduledKey => ({ ...active({ kid }), status: 'revoked' });

const NOTHING = { revoke: null, forget: [], promote: null, make: [] };
const newNext = { status: 'next', algorithm: 'ES256' } as const;
const newActive = { status: 'active', algorithm: 'ES256' } as const;
const monthly: KeyPolicy = { rotationDays: 30 };
const byHand: KeyPolicy = { rotationDays: 0 };

describe('what is due by schedule', () => {
  const table: [situation: string, keys: ScheduledKey[], policy: KeyPolicy, due: object][] = [
    ['no key at all', [], { ...monthly, algorithm: 'ES256' }, { make: [newActive, newNext] }],
    ['one active and one next key', [active(), next()], monthly, {}],
    ['only an active key, as an older version left it', [active()], monthly, { make: [newNext] }],
    ['only a next key', [next({ age: 0 })], monthly, { promote: 'next', make: [newNext] }],
    ['only a revoked key', [revoked()], monthly, { make: [newActive, newNext] }],
    ['a second before the term', [active({ age: 30 * DAY - 1 }), next()], monthly, {}],
    ['at the term', [active({ age: 30 * DAY }), next()], monthly, { promote: 'next', make: [newNext] }],
    ['past the term, but by hand', [active({ age: 400 * DAY }), next()], byHand, {}],
    [
      'at the term with a next key that is too new',
      [active({ age: 30 * DAY }), next({ age: PUBLISH_SECONDS - 1 })],
      monthly,
      {},
    ],
    [
      'at the term with one that is just old enough',
      [active({ age: 30 * DAY }), next({ age: PUBLISH_SECONDS })],
      monthly,
      { promote: 'next', make: [newNext] },
    ],
    [
      'a retired key whose tokens may live',
      [active(), next(), retired({ age: KEEP_RETIRED_SECONDS - 1 })],
      monthly,
      {},
    ],
    [
      'a retired key whose tokens have expired',
      [active(), next(), retired({ age: KEEP_RETIRED_SECONDS })],
      byHand,
      { forget: ['retired'] },
    ],
    ['a revoked key, however old', [active(), next(), revoked()], monthly, {}],
    [
      'a next key of an algorithm that is no longer wanted',
      [active(), next()],
      { ...monthly, algorithm: 'EdDSA' },
      { forget: ['next'], make: [{ status: 'next', algorithm: 'EdDSA' }] },
    ],
    ['a next key of another algorithm, too new', [active(), next({ algorithm: 'EdDSA', age: 1 })], byHand, {}],
    [
      'a next key of another algorithm, published',
      [active(), next({ algorithm: 'EdDSA' })],
      byHand,
      { promote: 'next', make: [{ status: 'next', algorithm: 'EdDSA' }] },
    ],
    [
      'no active key and a next one that does not fit',
      [next()],
      { ...monthly, algorithm: 'RS256' },
      {
        forget: ['next'],
        make: [
          { status: 'active', algorithm: 'RS256' },
          { status: 'next', algorithm: 'RS256' },
        ],
      },
    ],
    [
      'everything at once',
      [active({ age: 31 * DAY }), next(), retired({ age: DAY })],
      monthly,
      { forget: ['retired'], promote: 'next', make: [newNext] },
    ],
  ];
  test.each(table)('%s', (_situation, keys, policy, due) => {
    const changes = decideDue(keys, NOW, policy);
    expect(changes).toEqual({ ...NOTHING, ...due });
    expect(isNothing(changes)).toBe(Object.keys(due).length === 0);
  });
});

test('keeps a retired key until the longest-lived token that can be configured has expired', () => {
  const { maximum = Number.NaN } = ConfigSchema.properties.ACCESS_TOKEN_SECONDS as { maximum?: number };
  expect(KEEP_RETIRED_SECONDS).toBeGreaterThanOrEqual(maximum + 60);
});

describe('a rotation by hand', () => {
  const asked = { from: 'active', evenIfUnpublished: false };

  test('lets the next key sign and makes another', () => {
    expect(decideRotation([active(), next(), retired()], NOW, asked)).toEqual({
      ...NOTHING,
      promote: 'next',
      make: [newNext],
    });
  });

  test('waits until the next key is published long enough, and says until when', () => {
    const keys = [active(), next({ age: 60 })];
    expect(() => decideRotation(keys, NOW, asked)).toThrow(KeyChangeRefused);
    expect(() => decideRotation(keys, NOW, asked)).toThrow('2026-11-22T12:05:00.000Z');
    expect(decideRotation(keys, NOW, { ...asked, evenIfUnpublished: true }).promote).toBe('next');
  });

  test('is refused while there is no next key', () => {
    expect(() => decideRotation([active()], NOW, asked)).toThrow(/There is no next key yet/);
    expect(() => decideRotation([next()], NOW, asked)).toThrow(KeyChangeRefused);
  });

  test('is refused to whoever saw another key active', () => {
    expect(() => decideRotation([active({ kid: 'newer' }), next()], NOW, asked)).toThrow(/newer signs now/);
  });
});

describe('an emergency', () => {
  const all = [next({ age: 0 }), active(), retired(), revoked()];
  test.each([
    ['active', { revoke: 'active', promote: 'next', make: [newNext] }],
    ['next', { revoke: 'next', make: [newNext] }],
    ['retired', { revoke: 'retired' }],
  ])('revokes the %s key, and leaves an active and a next one', (kid, changes) => {
    expect(decideRevocation(all, kid)).toEqual({ ...NOTHING, ...changes });
  });

  test('makes both when the active key has no successor', () => {
    expect(decideRevocation([active()], 'active').make).toEqual([newActive, newNext]);
  });

  test('is refused for a key that is unknown or revoked already', () => {
    expect(() => decideRevocation(all, 'nobody')).toThrow(/There is no key nobody/);
    expect(() => decideRevocation(all, 'revoked')).toThrow(/revoked already/);
  });
});
