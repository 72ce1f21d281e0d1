import { setTimeout as pause } from 'node:timers/promises';

/**
 * Asks again and again until the answer is anything but false, null or undefined.
 *
 * @param within milliseconds
 * @returns the answer, and how long it took from the call
 * @throws when the time is over; `what` says what was waited for
 */
export async function until<Result>(
  what: string,
  check: () => Promise<Result | false | null | undefined> | Result | false | null | undefined,
  { within, every = 10 }: { within: number; every?: number },
): Promise<{ result: Result; milliseconds: number }> {
  const startedAt = performance.now();
  for (;;) {
    const result = await check();
    const milliseconds = performance.now() - startedAt;
    if (result !== false && result !== null && result !== undefined) return { result, milliseconds };
    if (milliseconds > within) throw new Error(`${what}: not within ${within} ms`);
    await pause(every);
  }
}
