import { expect, onTestFinished, test, vi } from 'vitest';
import { createEndedSessionFeed } from '../../src/modules/revocation/ended-session-feed.js';
import type { EndedSessionCursor, EndedSessionPage } from '../../src/modules/revocation/ended-session-repository.js';

const START = { position: 0n, sessionId: '00000000-0000-0000-0000-000000000000' };
const page = (sessionIds: string[], position: bigint, next: EndedSessionCursor | null = null): EndedSessionPage => ({
  ended: sessionIds.map((sessionId) => ({ sessionId, reason: 'logout' })),
  position,
  next,
});

/** A feed on a database that answers what it is told to, and notes from where it was asked. */
function build() {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const asked: { cursor: EndedSessionCursor; seconds: number }[] = [];
  const answers: (EndedSessionPage | Error)[] = [];
  const added: [string, string][] = [];
  const errors: unknown[] = [];
  const feed = createEndedSessionFeed({
    repository: {
      async listSince(cursor, seconds) {
        asked.push({ cursor, seconds });
        const answer = answers.shift() ?? page([], 1n);
        if (answer instanceof Error) throw answer;
        return answer;
      },
    },
    endedSessions: { add: (sessionId, reason) => void added.push([sessionId, reason]) },
    rememberSeconds: 3_660,
    onError: (error) => errors.push(error),
  });
  onTestFinished(() => feed.stop());
  return { feed, asked, answers, added, errors };
}

test('notes what Postgres tells at once, and nothing when a message says too little', () => {
  const { feed, added } = build();
  feed.hear('a revoked');
  feed.hear('b');
  feed.hear('');
  feed.hear(' logout');
  expect(added).toEqual([['a', 'revoked']]);
});

test('loads all that matters before it is ready, page by page, and goes on from the oldest open transaction', async () => {
  const { feed, asked, answers, added } = build();
  const second = { position: 70n, sessionId: 'b' };
  answers.push(page(['a', 'b'], 90n, second), page(['c'], 95n));
  await feed.start();
  expect(added.map(([sessionId]) => sessionId)).toEqual(['a', 'b', 'c']);
  expect(asked).toEqual([
    { cursor: START, seconds: 3_660 },
    { cursor: second, seconds: 3_660 },
  ]);
  // Of the first page: what was open then may have ended something that the second did not show.
  await vi.advanceTimersByTimeAsync(2_000);
  expect(asked[2]?.cursor).toEqual({ ...START, position: 90n });
  await vi.advanceTimersByTimeAsync(2_000);
  expect(asked[3]?.cursor).toEqual({ ...START, position: 1n });
});

test('is not ready when the database cannot be asked', async () => {
  const { feed, answers } = build();
  answers.push(new Error('away'));
  await expect(feed.start()).rejects.toThrow('away');
  expect(feed.isFresh()).toBe(false);
});

test('polls every two seconds, tells of failures, and begins from the start again only if that had failed', async () => {
  const { feed, asked, answers, errors } = build();
  answers.push(page([], 50n));
  await feed.start();
  answers.push(new Error('away'), page([], 60n));
  await vi.advanceTimersByTimeAsync(1_999);
  expect(asked).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(errors).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(asked.map(({ cursor }) => cursor.position)).toEqual([0n, 50n, 50n]);

  answers.push(new Error('away'), page([], 80n));
  feed.catchUp();
  await vi.advanceTimersByTimeAsync(0);
  expect(errors).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(asked.slice(3).map(({ cursor }) => cursor.position)).toEqual([0n, 0n]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(asked.at(-1)?.cursor.position).toBe(80n);
});

test('is fresh for ten seconds after the last answer', async () => {
  const { feed, answers } = build();
  expect(feed.isFresh()).toBe(false);
  await feed.start();
  expect(feed.isFresh()).toBe(true);
  for (let count = 0; count < 10; count += 1) answers.push(new Error('away'));
  await vi.advanceTimersByTimeAsync(9_999);
  expect(feed.isFresh()).toBe(true);
  await vi.advanceTimersByTimeAsync(1);
  expect(feed.isFresh()).toBe(false);
  await vi.advanceTimersByTimeAsync(12_000);
  expect(feed.isFresh()).toBe(true);
});

test('asks one thing at a time: who asks meanwhile waits for the same answer', async () => {
  const { feed, asked } = build();
  const both = Promise.all([feed.start(), feed.start()]);
  expect(asked).toHaveLength(1);
  await both;
  feed.stop();
});

test('asks no more once it is stopped', async () => {
  const { feed, asked } = build();
  await feed.start();
  feed.stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toHaveLength(1);
});
