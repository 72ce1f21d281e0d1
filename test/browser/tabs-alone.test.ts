import type { BrowserContext } from 'playwright-core';
import { expect, test } from 'vitest';
import { countOf, createGate, eventsIn, REFRESH, sessionRow, startSignedIn, statusOf, userIn } from './support/site.js';
import { load } from './support/tab.js';

const TABS = 5;

/** Takes away what old browsers lack, from tabs that are opened later. */
async function takeHelpAway(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => {
    Object.defineProperty(navigator, 'locks', { value: undefined });
    Object.defineProperty(globalThis, 'BroadcastChannel', { value: undefined });
  });
}

test('five tabs that can neither lock nor talk, opened at once, stay signed in: each is answered the same', async () => {
  const ROUNDS = 5;
  const { context, origin, line, tab, email, sessionId } = await startSignedIn();
  await tab.close();
  await takeHelpAway(context);
  for (let round = 1; round <= ROUNDS; round += 1) {
    // All of them have asked, with the same cookie, before the first one is answered.
    const asked = countOf(line, REFRESH);
    const { open, opened } = createGate();
    const stop = line.handle(REFRESH, ({ pass }) => opened.then(() => pass()));
    const tabs = await Promise.all(Array.from({ length: TABS }, () => context.newPage()));
    await Promise.all(tabs.map((one) => load(one, origin)));
    await expect.poll(() => countOf(line, REFRESH) - asked, { timeout: 10_000 }).toBe(TABS);
    open();
    for (const one of tabs) {
      await one.evaluate(() => client.ready);
      expect(await userIn(one)).toBe(email);
      expect(await eventsIn(one)).toEqual(['signed_in']);
      expect(await statusOf(one, '/v1/sessions')).toBe(200);
    }
    stop();
    expect(await sessionRow(sessionId)).toMatchObject({ generation: 1 + round, end_reason: null });
    await Promise.all(tabs.map((one) => one.close()));
  }
});
