import { performance } from 'node:perf_hooks';
import { expect, test } from 'vitest';
import { startMailApp } from '../../support/mail-app.js';
import { freshEmail, register } from '../../support/test-app.js';
import { post } from '../http/support.js';

const PAIRS = 500;
const MEASUREMENTS = 3;

test(`takes as long to forget the password of nobody as that of somebody: medians of ${PAIRS} interleaved pairs less than 5 % apart`, {
  timeout: 90_000,
}, async () => {
  const { app } = await startMailApp();
  const { email: known } = await register(app);
  const unknown = freshEmail();
  const timeOf = async (email: string) => {
    const startedAt = performance.now();
    const { statusCode } = await post(app, '/v1/auth/password/forgot', { email });
    expect(statusCode).toBe(202);
    return performance.now() - startedAt;
  };
  for (let warmUp = 0; warmUp < 50; warmUp += 1) await timeOf(warmUp % 2 ? known : unknown);

  let gap = Number.POSITIVE_INFINITY;
  for (let measurement = 1; measurement <= MEASUREMENTS && gap >= 0.05; measurement += 1) {
    const times = { known: [] as number[], unknown: [] as number[] };
    for (let pair = 0; pair < PAIRS; pair += 1) {
      // Each goes first in turn.
      if (pair % 2) times.known.push(await timeOf(known));
      times.unknown.push(await timeOf(unknown));
      if (!(pair % 2)) times.known.push(await timeOf(known));
    }
    const [a, b] = [median(times.known), median(times.unknown)];
    gap = Math.abs(a - b) / Math.min(a, b);
    console.log(`forgot: known ${a.toFixed(2)} ms, unknown ${b.toFixed(2)} ms, ${(gap * 100).toFixed(1)} % apart`);
  }
  expect(gap).toBeLessThan(0.05);
});

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
