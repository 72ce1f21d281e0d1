import pino from 'pino';
import { expect, test } from 'vitest';
import { createRequestLogger } from '../../src/plugins/request-logger.js';

function setUp() {
  const lines: Record<string, unknown>[] = [];
  const bound: object[] = [];
  const parent = pino(
    { level: 'info', onChild: (child) => bound.push(child.bindings()) },
    { write: (text: string) => void lines.push(JSON.parse(text)) },
  );
  return { lines, bound, logger: createRequestLogger(parent, { request_id: 'r1' }, {}) };
}

test('a request that writes nothing makes no logger', () => {
  const { lines, bound, logger } = setUp();
  logger.debug({ secret: 1 }, 'not asked for');
  logger.trace('neither');
  expect([lines, bound]).toEqual([[], []]);
});

test('every line of a request carries its id, from one logger', () => {
  const { lines, bound, logger } = setUp();
  logger.info({ code: 'x' }, 'a word');
  logger.warn('%s and %s', 'one', 'two');
  logger.child({ part: 'p' }).error(new Error('broken'));
  logger.fatal('the end');
  expect(lines).toMatchObject([
    { request_id: 'r1', level: 30, code: 'x', msg: 'a word' },
    { request_id: 'r1', level: 40, msg: 'one and two' },
    { request_id: 'r1', level: 50, part: 'p', err: { message: 'broken' } },
    { request_id: 'r1', level: 60, msg: 'the end' },
  ]);
  expect(bound).toHaveLength(2);
});

test('a level of its own is kept for a route that has one', () => {
  const lines: string[] = [];
  const parent = pino({ level: 'info' }, { write: (text: string) => void lines.push(text) });
  createRequestLogger(parent, { request_id: 'r1' }, { level: 'debug' }).debug('asked for');
  expect(lines).toHaveLength(1);
});
