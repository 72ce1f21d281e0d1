import bcrypt from 'bcrypt';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createHashWorkers } from '../../src/modules/passwords/hash-workers.js';

/** One that takes a twentieth of a second or more. */
const SLOW = 10;

function startWorkers(options: { concurrency: number; queue: number }) {
  const workers = createHashWorkers(options);
  onTestFinished(() => workers.close());
  return workers;
}

/** What came of work: its name once it is done, or the code of the error. */
const outcomeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: { code?: string; cause?: unknown }) => `${error.code}${error.cause ? ': the client left' : ''}`,
  );

test('refuses at once what does not fit into the queue, and does the rest in order', async () => {
  const workers = startWorkers({ concurrency: 1, queue: 2 });
  const finished: number[] = [];
  const works = [1, 2, 3, 4].map((number) =>
    outcomeOf(workers.hash('x', SLOW).then(() => finished.push(number))).then((outcome) => outcome),
  );
  expect(workers.waiting()).toBe(2);
  const startedAt = performance.now();
  expect(await works[3]).toBe('overloaded');
  expect(performance.now() - startedAt).toBeLessThan(50);
  expect(await Promise.all(works)).toEqual(['done', 'done', 'done', 'overloaded']);
  expect(finished).toEqual([1, 2, 3]);
});

test('lets go what waits for a client that has left, and gives its place to another', async () => {
  const workers = startWorkers({ concurrency: 1, queue: 2 });
  const client = new AbortController();
  const running = outcomeOf(workers.hash('x', SLOW));
  const abandoned = [1, 2].map(() => outcomeOf(workers.hash('x', SLOW, client.signal)));
  expect(await outcomeOf(workers.hash('x', SLOW))).toBe('overloaded');
  client.abort();
  expect(await Promise.all(abandoned)).toEqual(Array(2).fill('overloaded: the client left'));
  expect(workers.waiting()).toBe(0);
  const later = outcomeOf(workers.hash('x', SLOW));
  expect(workers.waiting()).toBe(1);
  expect(await Promise.all([running, later])).toEqual(['done', 'done']);
});

test('never begins for a client that left before, and finishes what it has begun', async () => {
  const workers = startWorkers({ concurrency: 1, queue: 2 });
  expect(await outcomeOf(workers.hash('x', SLOW, AbortSignal.abort()))).toBe('overloaded: the client left');
  const client = new AbortController();
  const begun = outcomeOf(workers.hash('x', SLOW, client.signal));
  client.abort();
  expect(await begun).toBe('done');
});

test('answers what waits when it is closed', async () => {
  const workers = createHashWorkers({ concurrency: 1, queue: 2 });
  const works = [1, 2].map(() => outcomeOf(workers.hash('x', SLOW)));
  await workers.close();
  expect(await Promise.all(works)).toEqual([expect.stringMatching('unavailable'), 'unavailable']);
});

test('tells who has waited for five seconds that there is too much to do', async () => {
  const workers = startWorkers({ concurrency: 1, queue: 2 });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const works = [1, 2].map(() => outcomeOf(workers.hash('x', SLOW)));
  vi.advanceTimersByTime(5_000);
  expect(await Promise.all(works)).toEqual(['done', 'overloaded']);
  expect(workers.waiting()).toBe(0);
});

test('goes on after work that failed', async () => {
  const workers = startWorkers({ concurrency: 1, queue: 2 });
  const failed = workers.compare('x', 'no hash at all', 4);
  const after = workers.compare('x', bcrypt.hashSync('x', 4), 4);
  await expect(failed).rejects.toThrow();
  expect(await after).toBe(true);
});

test('takes as long to refuse a password by a cheap hash as by one of the full cost', async () => {
  const workers = startWorkers({ concurrency: 1, queue: 1 });
  const dear = bcrypt.hashSync('right', 9);
  // The time of the processor, all threads of it: other processes have no part in that.
  const time = async (hash: string) => {
    const before = process.cpuUsage();
    expect(await workers.compare('wrong', hash, 9)).toBe(false);
    return process.cpuUsage(before).user;
  };
  for (const cost of [4, 8]) {
    const cheap = bcrypt.hashSync('right', cost);
    expect(await workers.compare('right', cheap, 9)).toBe(true);
    const ratios: number[] = [];
    for (let round = 0; round < 9; round += 1) ratios.push((await time(cheap)) / (await time(dear)));
    const median = ratios.sort((a, b) => a - b)[4] ?? 0;
    // A hash that is one step cheaper would take half as long: far from this, however noisy the machine.
    expect(median, `cost ${cost}`).toBeGreaterThan(0.67);
    expect(median, `cost ${cost}`).toBeLessThan(1.5);
  }
});

test('judges a new password in a worker: nothing against a good one, advice against a bad one', async () => {
  const workers = startWorkers({ concurrency: 1, queue: 2 });
  expect(await workers.judge('correct horse battery staple', [])).toEqual([]);
  expect(await workers.judge('gatehouse1', ['Gatehouse'])).toContain(
    'Your address and the name of this service are easy to guess.',
  );
});
