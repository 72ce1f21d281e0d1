import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import type { Line } from '../support/browser-line.js';
import { sql } from '../support/database.js';
import {
  cookieGeneration,
  countOf,
  createGate,
  eventsIn,
  REFRESH,
  sessionRow,
  startSignedIn,
  statusOf,
  userIn,
} from './support/site.js';
import { reload } from './support/tab.js';

const BOUND = { timeout: 30_000 };

/**
 * Every refresh is carried out, and its answer lost, until the returned function is called. One would not do: browsers
 * send a request once more by themselves when a connection that they used before breaks without a byte.
 */
function loseAnswers(line: Line): () => void {
  return line.handle(REFRESH, async ({ pass }) => {
    await pass();
    return 'cut';
  });
}

/** The next refresh is carried out, but its answer is held back, until the test ends. */
async function hangInRefresh(tab: Page, line: Line, sessionId: string): Promise<void> {
  const { generation } = await sessionRow(sessionId);
  const never = createGate();
  const stop = line.handle(REFRESH, async ({ pass }) => {
    stop();
    await pass();
    await never.opened;
    return 'cut';
  });
  // Not waited for: the tab will not live to see it.
  await tab.evaluate(() => void client.refresh().catch(() => {}));
  await expect.poll(() => sessionRow(sessionId), BOUND).toMatchObject({ generation: generation + 1 });
}

test('a refresh whose answer is lost signs nobody out, and the next one gets the same successor', async () => {
  const { tab, line, context, email, sessionId } = await startSignedIn();
  for (let round = 1; round <= 5; round += 1) {
    const mend = loseAnswers(line);
    const failure = await tab.evaluate(() => client.refresh().catch(({ code }) => code));
    expect(failure).toBe('network_error');
    expect(await userIn(tab)).toBe(email);
    expect(await cookieGeneration(context)).toBe(round);
    mend();
    await tab.evaluate(() => client.refresh());
    expect(await sessionRow(sessionId)).toMatchObject({ generation: round + 1, end_reason: null });
    expect(await cookieGeneration(context)).toBe(round + 1);
  }
  expect(await eventsIn(tab)).toEqual(['signed_in', ...Array(5).fill('refreshed')]);
});

test('a tab whose first refresh is lost asks again by itself, and then knows who is signed in', async () => {
  const { tab, line, email, sessionId } = await startSignedIn();
  const mend = loseAnswers(line);
  await reload(tab);
  expect(await userIn(tab)).toBeUndefined();
  mend();
  await expect.poll(() => userIn(tab), BOUND).toBe(email);
  expect(await eventsIn(tab)).toEqual(['signed_in']);
  expect(await sessionRow(sessionId)).toMatchObject({ generation: 2, end_reason: null });
});

test.each([
  ['closed', (tab: Page) => tab.close()],
  [
    'killed',
    async (tab: Page) => {
      const session = await tab.context().newCDPSession(tab);
      // The answer to this never comes.
      void session.send('Page.crash').catch(() => {});
      await tab.waitForEvent('crash');
    },
  ],
])('a tab that is %s in the middle of a refresh leaves the lock, and the others go on', async (_name, kill) => {
  const { tab, line, context, openTab, email, sessionId } = await startSignedIn();
  const other = await openTab();
  await hangInRefresh(tab, line, sessionId);
  const { generation } = await sessionRow(sessionId);
  const refreshed = other.evaluate(async () => (await client.refresh())?.email);
  await kill(tab);
  expect(await refreshed).toBe(email);
  // The same successor, and not one more.
  expect(await sessionRow(sessionId)).toMatchObject({ generation, end_reason: null });
  expect(await cookieGeneration(context)).toBe(generation);
  expect(await statusOf(other, '/v1/sessions')).toBe(200);
  expect(await eventsIn(other)).toEqual(['signed_in', 'refreshed']);
});

test('a browser that is killed in the middle of a refresh is signed in when it starts again', async () => {
  const { tab, line, openTab, email, sessionId } = await startSignedIn();
  await hangInRefresh(tab, line, sessionId);
  await tab.close();
  const opened = await openTab();
  expect(await userIn(opened)).toBe(email);
  expect(await sessionRow(sessionId)).toMatchObject({ generation: 2, end_reason: null });
});

test('a tab that is frozen with the lock in its hands delays the others, and no more', async () => {
  const { tab, line, origin, openTab, email, sessionId } = await startSignedIn();
  const lockName = await tab.evaluate(async () => {
    const names = async () => (await navigator.locks.query()).held?.map(({ name }) => name) ?? [];
    const refreshed = client.refresh();
    let held = await names();
    while (held.length === 0) held = await names();
    await refreshed;
    return held[0] ?? '';
  });
  expect(lockName).toBe(`gatehouse ${origin}`);
  await tab.evaluate((name) => void navigator.locks.request(name, () => new Promise(() => {})), lockName);
  line.exchanges.length = 0;
  const other = await openTab();
  expect(await userIn(other)).toBe(email);
  expect(countOf(line, REFRESH)).toBe(1);
  expect(await statusOf(other, '/v1/sessions')).toBe(200);
  expect(await sessionRow(sessionId)).toMatchObject({ end_reason: null });
});

test('a tab that the browser freezes in the middle of a refresh goes on when it is thawed', async () => {
  const { tab, line, context, openTab, email, sessionId } = await startSignedIn();
  const other = await openTab();
  const { generation } = await sessionRow(sessionId);
  const late = createGate();
  const stop = line.handle(REFRESH, async ({ pass }) => {
    stop();
    const answer = await pass();
    await late.opened;
    return answer;
  });
  await tab.evaluate(() => void client.refresh().catch(() => {}));
  await expect.poll(() => sessionRow(sessionId), BOUND).toMatchObject({ generation: generation + 1 });
  const session = await context.newCDPSession(tab);
  await session.send('Page.setWebLifecycleState', { state: 'frozen' });
  expect(await other.evaluate(async () => (await client.refresh())?.email)).toBe(email);
  late.open();
  await session.send('Page.setWebLifecycleState', { state: 'active' });
  expect(await tab.evaluate(async () => (await client.refresh())?.email)).toBe(email);
  expect(await statusOf(tab, '/v1/sessions')).toBe(200);
  expect(await statusOf(other, '/v1/sessions')).toBe(200);
  expect(await sessionRow(sessionId)).toMatchObject({ end_reason: null });
  expect((await eventsIn(tab)).concat(await eventsIn(other))).not.toContainEqual(expect.stringContaining('signed_out'));
});

test('a tab that is answered late, when others have gone on without it, signs nobody out later', {
  timeout: 120_000,
}, async () => {
  const { context, openTab: open, line, tab, email, sessionId } = await startSignedIn();
  await tab.close();
  const [slow, quick] = [await open(), await open()];
  const late = createGate();
  const stop = line.handle(REFRESH, async ({ pass }) => {
    stop();
    const answer = await pass();
    await late.opened;
    return answer;
  });
  const before = await sessionRow(sessionId);
  const slowlyRefreshed = slow.evaluate(() =>
    client.refresh().then(
      () => {},
      () => {},
    ),
  );
  await expect.poll(() => sessionRow(sessionId)).toMatchObject({ generation: before.generation + 1 });
  // Waits for the slow one no longer than its lock or its request may last; is given the same token, then the next one.
  await quick.evaluate(() => client.refresh());
  await quick.evaluate(() => client.refresh());
  expect(await statusOf(quick, '/v1/sessions')).toBe(200);
  await expect.poll(() => sessionRow(sessionId)).toMatchObject({ confirmed_generation: before.generation + 2 });
  late.open();
  await slowlyRefreshed;
  // The late answer brought the cookie before the last one: that must not be what is presented once the grace is over.
  const isCurrent = async () => (await cookieGeneration(context)) === (await sessionRow(sessionId)).generation;
  await expect.poll(isCurrent, { timeout: 10_000, message: 'the cookie is the current one' }).toBe(true);
  await sql("UPDATE sessions SET rotated_at = rotated_at - interval '1 minute' WHERE id = $1", [sessionId]);
  await reload(quick);
  expect(await userIn(quick)).toBe(email);
  expect(await sessionRow(sessionId)).toMatchObject({ end_reason: null });
});
