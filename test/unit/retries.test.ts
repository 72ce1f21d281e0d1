import { describe, expect, test } from 'vitest';
import { isConnectionLost, isDatabaseUnavailable, isUndone } from '../../src/database/faults.js';
import { onceMoreIfUndone } from '../../src/database/retries.js';

const withCode = (code: string) => Object.assign(new Error('no'), { code });
const wrapped = (cause: object) => new Error('Raw query failed', { cause });

describe('what an error says', () => {
  test.each([
    ['a deadlock', withCode('40P01'), { undone: true, lost: false, unavailable: true }],
    ['a serialization failure', wrapped({ originalCode: '40001' }), { undone: true, lost: false, unavailable: true }],
    ['a conflict in a transaction of Prisma', withCode('P2034'), { undone: true, lost: false, unavailable: true }],
    ['a broken connection', withCode('ECONNRESET'), { undone: false, lost: true, unavailable: true }],
    ['a server that shuts down', withCode('57P01'), { undone: false, lost: true, unavailable: true }],
    [
      'a connection that ended under a statement',
      new Error('Connection terminated unexpectedly'),
      { undone: false, lost: true, unavailable: true },
    ],
    [
      'a connection that was never made',
      new Error('Connection terminated due to connection timeout'),
      { undone: false, lost: false, unavailable: true },
    ],
    [
      'a connection that took too long',
      new Error('timeout expired'),
      { undone: false, lost: false, unavailable: true },
    ],
    ['a queue that is full', withCode('POOL_IS_CROWDED'), { undone: false, lost: false, unavailable: true }],
    ['a statement that took too long', withCode('57014'), { undone: false, lost: false, unavailable: true }],
    ['a row that is there already', withCode('23505'), { undone: false, lost: false, unavailable: false }],
    ['a fault of our own', new TypeError('x is not a function'), { undone: false, lost: false, unavailable: false }],
  ])('%s', (_what, error, expected) => {
    expect({
      undone: isUndone(error),
      lost: isConnectionLost(error),
      unavailable: isDatabaseUnavailable(error),
    }).toEqual(expected);
  });
});

test('does once more what was undone, and no more than that', async () => {
  let tries = 0;
  const work = async () => {
    tries += 1;
    if (tries === 1) throw withCode('40P01');
    return tries;
  };
  expect(await onceMoreIfUndone(work)).toBe(2);
  tries = 0;
  const always = () => {
    tries += 1;
    return Promise.reject(withCode('40001'));
  };
  await expect(onceMoreIfUndone(always)).rejects.toThrow('no');
  expect(tries).toBe(2);
});

test('does not repeat what failed for any other reason', async () => {
  let tries = 0;
  const work = () => {
    tries += 1;
    return Promise.reject(withCode('ECONNRESET'));
  };
  await expect(onceMoreIfUndone(work)).rejects.toThrow('no');
  expect(tries).toBe(1);
});
