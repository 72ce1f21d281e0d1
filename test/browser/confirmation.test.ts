import { expect, test } from 'vitest';
import { startAtStandstill } from './support/clock.js';
import { callsOn, countOf, REFRESH, sessionRow, statusOf } from './support/site.js';

const BOUND = { timeout: 20_000 };

/** Somebody is signed in on a page that asks Gatehouse for nothing but tokens; the clock is in the hands of the test. */
async function startOtherApp() {
  const started = await startAtStandstill();
  started.line.handle('/api/things', async () => ({ status: 200 }));
  return { ...started, clock: started.context.clock };
}

test('an app that calls only another service confirms each generation, by one request each', async () => {
  const { tab, line, clock, sessionId } = await startOtherApp();
  for (let generation = 1; generation <= 4; generation += 1) {
    if (generation > 1) await tab.evaluate(() => client.refresh());
    for (let call = 1; call <= 3; call += 1) expect(await statusOf(tab, '/api/things')).toBe(200);
    await clock.runFor(2_000);
    await expect
      .poll(() => sessionRow(sessionId), BOUND)
      .toMatchObject({ generation, confirmed_generation: generation });
    await clock.runFor(300_000);
    expect(await statusOf(tab, '/api/things')).toBe(200);
    expect(countOf(line, '/v1/me')).toBe(generation);
  }
  expect(countOf(line, REFRESH)).toBe(3);
});

test('an app that calls Gatehouse anyway causes no request besides its own', async () => {
  const { tab, line, clock, sessionId } = await startOtherApp();
  expect(await statusOf(tab, '/v1/sessions')).toBe(200);
  await tab.evaluate(() => client.refresh());
  expect(await statusOf(tab, '/v1/sessions')).toBe(200);
  await clock.runFor(300_000);
  await expect.poll(() => sessionRow(sessionId), BOUND).toMatchObject({ generation: 2, confirmed_generation: 2 });
  expect(countOf(line, '/v1/me')).toBe(0);
  expect(callsOn(line)).toEqual(['GET /v1/sessions 200', 'POST /v1/auth/refresh 200', 'GET /v1/sessions 200']);
});

test('of several tabs, the one that refreshed confirms', async () => {
  const { tab, openTab: open, line, clock, sessionId } = await startOtherApp();
  await Promise.all([open(), open()]);
  await tab.evaluate(() => client.refresh());
  await clock.runFor(2_000);
  const { generation } = await sessionRow(sessionId);
  await expect.poll(() => sessionRow(sessionId), BOUND).toMatchObject({ confirmed_generation: generation });
  await clock.runFor(300_000);
  const newest = await tab.evaluate(() => client.getAccessToken());
  const shown = line.exchanges.filter(({ headers }) => headers.authorization === `Bearer ${newest}`);
  expect(shown.map(({ path }) => path)).toEqual(['/v1/me']);
});

test('a confirmation that fails is tried again', async () => {
  const { line, clock, sessionId } = await startOtherApp();
  let failures = 0;
  const mend = line.handle('/v1/me', async () => {
    failures += 1;
    return { status: 503 };
  });
  await clock.runFor(2_000);
  await expect.poll(() => failures, BOUND).toBe(1);
  mend();
  await expect
    .poll(async () => {
      await clock.runFor(2_000);
      return sessionRow(sessionId);
    }, BOUND)
    .toMatchObject({ confirmed_generation: 1 });
  expect(countOf(line, '/v1/me')).toBe(2);
});
