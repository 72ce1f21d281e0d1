import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createConfirmations } from '../../src/modules/sessions/confirmations.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

type Note = [sessionId: string, generation: number];

/** A database that can be away. */
function setUp() {
  const database = { isAway: false, written: [] as Note[][], errors: 0 };
  const confirmations = createConfirmations({
    repository: {
      confirm: async (notes: Note[]) => {
        if (database.isAway) throw new Error('away');
        database.written.push(notes);
      },
    },
    onError: () => {
      database.errors += 1;
    },
  });
  return { database, confirmations };
}

test('writes notes in one batch, a moment later, the newest generation of each session', async () => {
  const { database, confirmations } = setUp();
  confirmations.note('a', 1);
  confirmations.note('b', 7);
  confirmations.note('a', 2);
  confirmations.note('a', 1);
  expect(confirmations.waitingFor('a')).toBe(2);
  expect(database.written).toEqual([]);
  await vi.advanceTimersByTimeAsync(250);
  expect(database.written).toEqual([
    [
      ['a', 2],
      ['b', 7],
    ],
  ]);
  expect(confirmations.waitingFor('a')).toBe(0);
});

test('keeps notes while the database is away, and writes them when it is back', async () => {
  const { database, confirmations } = setUp();
  database.isAway = true;
  confirmations.note('a', 1);
  await vi.advanceTimersByTimeAsync(5_000);
  // Twice as long after each attempt: not five complaints a second for as long as it is away.
  expect(database.errors).toBeGreaterThan(2);
  expect(database.errors).toBeLessThan(6);
  expect(confirmations.waitingFor('a')).toBe(1);
  database.isAway = false;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(database.written).toEqual([[['a', 1]]]);
});

test('lets no more than 100,000 notes wait', () => {
  const { database, confirmations } = setUp();
  database.isAway = true;
  for (let index = 0; index < 100_010; index += 1) confirmations.note(`session ${index}`, 1);
  expect(confirmations.size()).toBe(100_000);
  // One that waits already may still move on.
  confirmations.note('session 0', 2);
  expect(confirmations.waitingFor('session 0')).toBe(2);
});

test('writes what is left when it stops, more than one batch of it', async () => {
  const { database, confirmations } = setUp();
  for (let index = 0; index < 2_500; index += 1) confirmations.note(`session ${index}`, 1);
  await confirmations.stop();
  expect(database.written.map((batch) => batch.length)).toEqual([1_000, 1_000, 500]);
});
