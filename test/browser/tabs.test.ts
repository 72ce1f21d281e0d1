import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { countOf, createGate, eventsIn, REFRESH, sessionRow, startSignedIn, statusOf, userIn } from './support/site.js';
import { load, reload } from './support/tab.js';

const TABS = 5;

function inAll<Result>(tabs: Page[], work: (tab: Page) => Promise<Result>): Promise<Result[]> {
  return Promise.all(tabs.map(work));
}

test('five tabs opened at once, fifty times, stay signed in with one refresh for all of them', {
  timeout: 300_000,
}, async () => {
  const ROUNDS = 50;
  const { context, origin, line, tab, email, sessionId } = await startSignedIn();
  await tab.close();
  for (let round = 1; round <= ROUNDS; round += 1) {
    // However slow this machine is, all of them are there before the first one is answered.
    const { open, opened } = createGate();
    const stop = line.handle(REFRESH, ({ pass }) => opened.then(() => pass()));
    const tabs = await Promise.all(Array.from({ length: TABS }, () => context.newPage()));
    await inAll(tabs, (one) => load(one, origin));
    open();
    await inAll(tabs, (one) => one.evaluate(() => client.ready));
    stop();
    expect(await inAll(tabs, userIn)).toEqual(Array(TABS).fill(email));
    for (const told of await inAll(tabs, eventsIn)) expect(told.join()).toMatch(/^signed_in(,refreshed)*$/);
    expect(await inAll(tabs, (one) => statusOf(one, '/v1/sessions'))).toEqual(Array(TABS).fill(200));
    await inAll(tabs, (one) => one.close());
  }
  const { generation, end_reason } = await sessionRow(sessionId);
  expect(end_reason).toBeNull();
  // One a round; now and then a tab gets the lock before it hears what the last one was given.
  expect(countOf(line, REFRESH)).toBeLessThan(ROUNDS * 2);
  expect(generation - 1).toBeLessThan(ROUNDS * 2);
});

test('five tabs that reload, each as fast as it can, stay signed in with a few refreshes', async () => {
  const ROUNDS = 20;
  const { openTab: open, line, tab, email, sessionId } = await startSignedIn();
  const tabs = [tab, ...(await Promise.all(Array.from({ length: TABS - 1 }, open)))];
  line.exchanges.length = 0;
  for (let round = 1; round <= ROUNDS; round += 1) {
    await inAll(tabs, async (one) => {
      await reload(one);
      expect(await statusOf(one, '/v1/sessions')).toBe(200);
    });
    expect(await inAll(tabs, userIn)).toEqual(Array(TABS).fill(email));
  }
  expect(await sessionRow(sessionId)).toMatchObject({ end_reason: null });
  // A tab that comes when the others are done asks for itself.
  expect(countOf(line, REFRESH)).toBeLessThan(ROUNDS * TABS);
});

test('five tabs that refresh at the same moment share one refresh, and all hear of it', async () => {
  const ROUNDS = 30;
  const { openTab: open, line, tab, sessionId } = await startSignedIn();
  const tabs = [tab, ...(await Promise.all(Array.from({ length: TABS - 1 }, open)))];
  line.exchanges.length = 0;
  const { generation: before } = await sessionRow(sessionId);
  const tokensOf = () => inAll(tabs, (one) => one.evaluate(() => client.getAccessToken()));
  for (let round = 1; round <= ROUNDS; round += 1) {
    await inAll(tabs, (one) => one.evaluate(() => client.refresh()));
    // The last message may still be on its way.
    await expect.poll(async () => new Set(await tokensOf()).size, { timeout: 10_000 }).toBe(1);
  }
  const { generation, end_reason } = await sessionRow(sessionId);
  expect(end_reason).toBeNull();
  expect(generation - before).toBeLessThanOrEqual(countOf(line, REFRESH));
  // A tab that is asked after the others were answered refreshes once more.
  expect(generation - before).toBeLessThan(ROUNDS * 3);
});
