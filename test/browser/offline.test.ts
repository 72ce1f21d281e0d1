import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { pass, passUntil, sleep, startAtStandstill } from './support/clock.js';
import { callsOn, countOf, eventsIn, REFRESH, sessionRow, statusOf, userIn } from './support/site.js';
import { reload } from './support/tab.js';

const BOUND = { timeout: 20_000 };

/** As browsers tell of a tab that is hidden, or seen again. */
async function show(tab: Page, shown: boolean): Promise<void> {
  await tab.evaluate((visible) => {
    Object.defineProperty(document, 'hidden', { value: !visible, configurable: true });
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
  }, shown);
}

/** What Chromium asked of the network, whether it got there or not. */
function countRefreshes(tab: Page): () => number {
  let count = 0;
  tab.on('request', (request) => {
    if (request.url().endsWith(REFRESH)) count += 1;
  });
  return () => count;
}

test('the clock of a test moves all that the client measures by', async () => {
  const { tab } = await startAtStandstill();
  const clocks = () => tab.evaluate(() => [Date.now(), performance.now()] as const);
  const [date, ticks] = await clocks();
  await pass(tab, 60);
  expect(await clocks()).toEqual([date + 60_000, ticks + 60_000]);
  await sleep(tab, 60);
  expect(await clocks()).toEqual([date + 120_000, ticks + 60_000]);
});

test('a token is replaced a while before it expires, unasked', async () => {
  const { tab, line } = await startAtStandstill();
  await pass(tab, 530);
  expect(countOf(line, REFRESH)).toBe(0);
  await passUntil(tab, () => countOf(line, REFRESH) > 0, 20);
  await expect.poll(() => eventsIn(tab), BOUND).toEqual(['signed_in', 'refreshed']);
  expect(countOf(line, REFRESH)).toBe(1);
});

test('an hour offline signs nobody out, asks now and then, and is over at once', { timeout: 120_000 }, async () => {
  const { tab, line, context, email, sessionId } = await startAtStandstill();
  const refreshes = countRefreshes(tab);
  await context.setOffline(true);
  await pass(tab, 3_600);
  expect(await userIn(tab)).toBe(email);
  expect(await eventsIn(tab)).toEqual(['signed_in']);
  expect(await tab.evaluate(() => client.getAccessToken().catch(({ code }) => code))).toBe('network_error');
  // The token was good for nine minutes; since then, once in 20 to 30 s, and a few times more at first.
  expect(refreshes()).toBeGreaterThan(10);
  expect(refreshes()).toBeLessThan(170);
  expect(callsOn(line)).toEqual([]);
  await context.setOffline(false);
  // No clock moves: the network itself is the signal.
  await expect.poll(() => eventsIn(tab), BOUND).toEqual(['signed_in', 'refreshed']);
  expect(await statusOf(tab, '/v1/sessions')).toBe(200);
  expect(await sessionRow(sessionId)).toMatchObject({ generation: 2, end_reason: null });
});

test('a tab that is loaded offline does not know who is signed in, and does not say nobody', async () => {
  const { tab, line, email } = await startAtStandstill();
  // The page comes from somewhere nearby, as from a service worker; Gatehouse is out of reach.
  const mend = line.handle(REFRESH, async () => 'cut');
  await reload(tab);
  expect(await userIn(tab)).toBeUndefined();
  expect(await tab.evaluate(() => client.getAccessToken().catch(({ code }) => code))).toBe('network_error');
  mend();
  const asked = countOf(line, REFRESH);
  await passUntil(tab, () => countOf(line, REFRESH) > asked, 10);
  await expect.poll(() => userIn(tab), BOUND).toBe(email);
  expect(await eventsIn(tab)).toEqual(['signed_in']);
});

test('after sleep, a request gets its new token first', async () => {
  const { tab, line, email } = await startAtStandstill();
  const old = await tab.evaluate(() => client.getAccessToken());
  await sleep(tab, 3_600);
  expect(callsOn(line)).toEqual([]);
  expect(await statusOf(tab, '/v1/sessions')).toBe(200);
  expect(callsOn(line)).toEqual(['POST /v1/auth/refresh 200', 'GET /v1/sessions 200']);
  expect(line.exchanges.at(-1)?.headers.authorization).not.toBe(`Bearer ${old}`);
  expect(await userIn(tab)).toBe(email);
});

test('a tab that is seen again after sleep has its new token before it is used', async () => {
  const { tab, line } = await startAtStandstill();
  await show(tab, false);
  await sleep(tab, 3_600);
  await show(tab, true);
  await expect.poll(() => eventsIn(tab), BOUND).toEqual(['signed_in', 'refreshed']);
  expect(await statusOf(tab, '/v1/sessions')).toBe(200);
  expect(callsOn(line)).toEqual(['POST /v1/auth/refresh 200', 'GET /v1/sessions 200']);
});

test('a hidden tab asks for nothing until it is seen or needed', async () => {
  const { tab, line } = await startAtStandstill();
  await show(tab, false);
  await pass(tab, 3_600, 60);
  expect(countOf(line, REFRESH)).toBe(0);
  expect(await statusOf(tab, '/v1/sessions')).toBe(200);
  expect(countOf(line, REFRESH)).toBe(1);
  await pass(tab, 3_600, 60);
  await show(tab, true);
  await expect.poll(() => countOf(line, REFRESH), BOUND).toBe(2);
});
