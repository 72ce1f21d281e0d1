import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import {
  hashOneTimeToken,
  newOneTimeToken,
  pauseSecondsAfter,
  TOKEN_LIFETIME_SECONDS,
} from '../../src/modules/accounts/one-time-token.js';

test('makes a token of 256 random bits, of which the hash alone is kept', () => {
  const made = Array.from({ length: 100 }, newOneTimeToken);
  expect(new Set(made.map(({ token }) => token)).size).toBe(100);
  for (const { token, hash } of made) {
    const bytes = Buffer.from(token, 'base64url');
    expect(bytes).toHaveLength(32);
    expect(hash).toEqual(createHash('sha256').update(bytes).digest());
    expect(hashOneTimeToken(token)).toEqual(hash);
  }
});

test.each(['', 'A', 'A'.repeat(42), 'A'.repeat(44), `${'A'.repeat(42)}B`, `${'A'.repeat(42)}=`, `${'A'.repeat(42)}+`])(
  'takes %j for no token',
  (token) => {
    expect(hashOneTimeToken(token)).toBeNull();
  },
);

test('lets a reset link live for an hour, and the others for a day', () => {
  expect(TOKEN_LIFETIME_SECONDS).toEqual({ reset_password: 3_600, verify_email: 86_400, change_email: 86_400 });
});

test('makes the pause longer with each mail, but never as long as the last link lives', () => {
  const pauses = [1, 2, 3, 4, 5, 6, 7, 1_000].map((issued) => pauseSecondsAfter('reset_password', issued));
  expect(pauses).toEqual([60, 120, 240, 480, 960, 1_800, 1_800, 1_800]);
  expect([1, 2, 3, 4].map((issued) => pauseSecondsAfter('change_email', issued))).toEqual([0, 0, 0, 0]);
});
