import { describe, expect, test } from 'vitest';
import { decideRefresh } from '../../src/modules/sessions/refresh-decision.js';

const NOW = new Date('2026-11-22T12:00:00Z');
const secondsAgo = (seconds: number) => new Date(NOW.getTime() - seconds * 1000);
const inSeconds = (seconds: number) => secondsAgo(-seconds);

/** A live session at generation 5, rotated a minute ago; its newest token is known to have arrived. */
const LIVE = {
  generation: 5,
  confirmedGeneration: 5,
  rotatedAt: secondsAgo(60),
  idleExpiresAt: inSeconds(1000),
  expiresAt: inSeconds(2000),
  endedAt: null,
  endReason: null,
};
const GRACE = { graceSeconds: 10, recoverySeconds: 86_400 };
const STRICT = { graceSeconds: 0, recoverySeconds: 0 };
const UNCONFIRMED = { confirmedGeneration: 4 };

describe('a live session at generation 5', () => {
  test.each([
    ['the newest token', 5, {}, GRACE, { action: 'rotate' }],
    ['its predecessor, just after the rotation', 4, { rotatedAt: secondsAgo(0) }, GRACE, { action: 'repeat' }],
    ['its predecessor, a moment before grace ends', 4, { rotatedAt: secondsAgo(9.999) }, GRACE, { action: 'repeat' }],
    ['its predecessor, when grace ends', 4, { rotatedAt: secondsAgo(10) }, GRACE, { action: 'end' }],
    ['its predecessor, long after', 4, {}, GRACE, { action: 'end' }],
    ['its predecessor, at once, without grace', 4, { rotatedAt: NOW, ...UNCONFIRMED }, STRICT, { action: 'end' }],
    ['its predecessor, long after, unconfirmed', 4, UNCONFIRMED, GRACE, { action: 'repeat' }],
    [
      'its predecessor, a moment before recovery ends',
      4,
      { ...UNCONFIRMED, rotatedAt: secondsAgo(86_399.999) },
      GRACE,
      { action: 'repeat' },
    ],
    [
      'its predecessor, when recovery ends',
      4,
      { ...UNCONFIRMED, rotatedAt: secondsAgo(86_400) },
      GRACE,
      { action: 'end' },
    ],
    [
      'its predecessor, unconfirmed, without recovery',
      4,
      UNCONFIRMED,
      { ...GRACE, recoverySeconds: 0 },
      { action: 'end' },
    ],
    ['the token before that, unconfirmed', 3, UNCONFIRMED, GRACE, { action: 'end' }],
    ['the token before that, even within grace', 3, { rotatedAt: NOW }, GRACE, { action: 'end' }],
    ['the very first token', 1, { rotatedAt: NOW }, GRACE, { action: 'end' }],
    ['a token of the future', 6, {}, GRACE, { action: 'refuse', code: 'refresh_token_invalid' }],
    ['a token zero, which never was', 0, {}, GRACE, { action: 'refuse', code: 'refresh_token_invalid' }],
  ] as const)('decides on %s', (_name, presented, change, policy, expected) => {
    expect(decideRefresh({ ...LIVE, ...change }, presented, NOW, policy)).toEqual(expected);
  });
});

describe('a session that is no longer live', () => {
  test.each([
    ['idle for too long', { idleExpiresAt: NOW }, { code: 'session_expired', reason: 'idle' }],
    ['past its absolute end', { expiresAt: NOW }, { code: 'session_expired', reason: 'absolute' }],
    ['past both', { idleExpiresAt: NOW, expiresAt: NOW }, { code: 'session_expired', reason: 'absolute' }],
    ['ended by logout', { endedAt: NOW, endReason: 'logout' }, { code: 'session_ended', reason: 'logout' }],
    [
      'ended by reuse and expired since',
      { endedAt: NOW, endReason: 'reuse_detected', expiresAt: NOW },
      { code: 'session_ended', reason: 'reuse_detected' },
    ],
  ] as const)('refuses every token when %s', (_name, change, expected) => {
    for (const presented of [1, 4, 5]) {
      expect(decideRefresh({ ...LIVE, ...change }, presented, NOW, GRACE)).toEqual({ action: 'refuse', ...expected });
    }
  });
});
