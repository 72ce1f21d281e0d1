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
