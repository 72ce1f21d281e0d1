import { describe, expect, test } from 'vitest';
import {
  addressBudget,
  delayAfter,
  type Guess,
  growingDelays,
  SECRET_BUDGET,
  subjectsOf,
  subjectsOfPerson,
} from '../../src/modules/attempts/attempt-policy.js';

const PER_ADDRESS = addressBudget(100);
const stranger: Guess = { purpose: 'sign_in', account: 'ada@example.com', ip: '203.0.113.7', device: null };
const device = { deviceId: 'd1', passwordVersion: 3 };
const namesOf = (guess: Partial<Guess>, perAddress: typeof PER_ADDRESS | null = PER_ADDRESS) =>
  subjectsOf({ ...stranger, ...guess }, perAddress).map(({ name }) => name);

test.each([
  [0, 0],
  [4, 0],
  [5, 1],
  [6, 2],
  [7, 4],
  [10, 32],
  [14, 512],
  [15, 900],
  [16, 900],
  [99, 900],
])('after %i wrong guesses at one account the next one waits %i s', (failures, seconds) => {
  expect(delayAfter(failures, SECRET_BUDGET)).toBe(seconds);
});

test.each([
  [1, 0],
  [99.4, 0],
  [99.9, 1],
  [100, 1],
  [100.4, 1],
  [101, 2],
  [110, 900],
  [100_000, 900],
])('after %d failures of one client address the next attempt waits %i s', (failures, seconds) => {
  expect(delayAfter(failures, PER_ADDRESS)).toBe(seconds);
});

test('lists the growing delays up to the longest one', () => {
  const delays = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900];
  expect(growingDelays(SECRET_BUDGET)).toEqual(delays);
  expect(growingDelays(PER_ADDRESS)).toEqual(delays);
  expect(growingDelays(addressBudget(1))).toEqual(delays);
});

test('stops guessing at one account after 100 failures, and never a client address, which an hour forgives', () => {
  expect(SECRET_BUDGET).toMatchObject({ maxFailures: 100, forgivenPerSecond: 0 });
  expect(PER_ADDRESS.maxFailures).toBeNull();
  expect(PER_ADDRESS.forgivenPerSecond * 3_600).toBeCloseTo(100);
});

describe('counts', () => {
  test('a stranger by the client address first, and then by the account', () => {
    expect(namesOf({})).toEqual(['address|sign_in|203.0.113.7', 'account|sign_in|ada@example.com']);
  });

  test('a stranger by the account alone where client addresses are not counted', () => {
    expect(namesOf({}, null)).toEqual(['account|sign_in|ada@example.com']);
  });

  test('an IPv6 client by its /64', () => {
    expect(namesOf({ ip: '2001:db8:1:2::1' })).toEqual(namesOf({ ip: '2001:db8:1:2:f::9' }));
    expect(namesOf({ ip: '2001:db8:1:2::1' })).not.toEqual(namesOf({ ip: '2001:db8:1:3::1' }));
  });

  test('clients whose address nobody can tell as one', () => {
    expect(namesOf({ ip: null })).toEqual(['address|sign_in|unknown', 'account|sign_in|ada@example.com']);
  });

  test('a known device, and all known devices of the account, but neither strangers at it nor the client address', () => {
    expect(namesOf({ device })).toEqual(['device|sign_in|d1|3', 'devices|sign_in|ada@example.com|3']);
    expect(namesOf({ device, purpose: 'second_factor' })).toEqual([
      'device|second_factor|d1|any',
      'devices|second_factor|ada@example.com|any',
    ]);
  });

  test('a known device anew under another password', () => {
    expect(namesOf({ device })).not.toEqual(namesOf({ device: { ...device, passwordVersion: 4 } }));
  });

  test('a password that is asked for again, and a code of a stranger, by the account alone', () => {
    expect(namesOf({ purpose: 'password', account: 'id' })).toEqual(['account|password|id']);
    expect(namesOf({ purpose: 'password', account: 'id', device })).toEqual(['account|password|id']);
    expect(namesOf({ purpose: 'second_factor', account: 'id' })).toEqual(['account|second_factor|id']);
  });
});

test('an operator forgets for the person under both names and every purpose', () => {
  const forgotten = subjectsOfPerson({ id: 'id', email: 'ada@example.com' });
  for (const purpose of ['sign_in', 'password', 'second_factor'] as const) {
    for (const account of ['id', 'ada@example.com']) {
      expect(forgotten).toContain(subjectsOf({ ...stranger, purpose, account }, null)[0]?.name);
    }
  }
  const device = { deviceId: 'd1', passwordVersion: 3 };
  const codes = subjectsOf({ ...stranger, purpose: 'second_factor', account: 'id', device }, null);
  // The codes from all their devices together, but not one device's own count.
  expect(forgotten).toContain(codes[1]?.name);
  expect(forgotten).toHaveLength(7);
});
