import { expect, test } from 'vitest';
import { createEndedSessions } from '../../src/modules/revocation/ended-sessions.js';

function setUp(rememberSeconds = 60) {
  const clock = { time: 1_000_000, now: () => clock.time };
  return { clock, ended: createEndedSessions(rememberSeconds, clock) };
}

test('knows why a session ended, and nothing of others', () => {
  const { ended } = setUp();
  ended.add('a', 'logout');
  expect(ended.reasonOf('a')).toBe('logout');
  expect(ended.reasonOf('b')).toBeUndefined();
});

test('keeps the first reason when it is told of the same session again', () => {
  const { ended } = setUp();
  ended.add('a', 'reuse_detected');
  ended.add('a', 'logout');
  expect(ended.reasonOf('a')).toBe('reuse_detected');
});

test('forgets a session once its last access token has expired, and not before', () => {
  const { clock, ended } = setUp(60);
  ended.add('a', 'logout');
  clock.time += 59_999;
  ended.add('b', 'logout');
  expect(ended.reasonOf('a')).toBe('logout');
  clock.time += 1;
  ended.add('c', 'logout');
  expect(ended.reasonOf('a')).toBeUndefined();
  expect(ended.size()).toBe(2);
});

test('tells the reasons of many apart, whenever they came', () => {
  const { clock, ended } = setUp(3_660);
  const reasons = [
    'logout',
    'revoked',
    'reuse_detected',
    'password_changed',
    'password_reset',
    'account_deleted',
    'disabled',
  ];
  for (let index = 0; index < 70; index += 1) {
    clock.time += 1_300;
    ended.add(`session ${index}`, reasons[index % 7] ?? '');
  }
  for (let index = 0; index < 70; index += 1) expect(ended.reasonOf(`session ${index}`)).toBe(reasons[index % 7]);
  expect(ended.reasonOf('')).toBeUndefined();
});

test('forgets in whole seconds, never too early', () => {
  const { clock, ended } = setUp(60);
  clock.time += 400;
  ended.add('a', 'logout');
  clock.time += 60_500;
  ended.add('b', 'logout');
  expect(ended.reasonOf('a')).toBe('logout');
  clock.time += 200;
  ended.add('c', 'logout');
  expect(ended.reasonOf('a')).toBeUndefined();
});
