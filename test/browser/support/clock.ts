import type { Page } from 'playwright-core';
import { openBrowser } from '../../support/browser.js';
import { signUp, startSite } from './site.js';
import { openTab } from './tab.js';

/** As `startSignedIn`, in a browser whose clock is in the hands of the test: it stands still. */
export async function startAtStandstill() {
  const site = await startSite();
  const context = await openBrowser();
  await context.clock.install();
  await context.clock.pauseAt(Date.now() + 1_000);
  const tab = await openTab(context, site.origin);
  const person = await signUp(tab);
  site.line.exchanges.length = 0;
  return { ...site, ...person, context, tab, openTab: () => openTab(context, site.origin) };
}

/** Lets time pass, in steps, since what happens meanwhile takes time of its own. */
export async function pass(tab: Page, seconds: number, step = 10): Promise<void> {
  for (let passed = 0; passed < seconds; passed += step) await tab.context().clock.runFor(step * 1_000);
}

/** Lets no more time pass than it takes: a request under way would run into its time-out, which the clock moves as well. */
export async function passUntil(tab: Page, hasHappened: () => boolean, seconds: number): Promise<void> {
  for (let passed = 0; passed < seconds && !hasHappened(); passed += 1) {
    await tab.context().clock.runFor(1_000);
    // What the second has begun reaches the network, and with it this test, on a clock that nobody moves.
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The clock as a machine finds it that slept: no timer ran. */
export async function sleep(tab: Page, seconds: number): Promise<void> {
  const now = await tab.evaluate(() => Date.now());
  await tab.context().clock.setSystemTime(now + seconds * 1_000);
}
