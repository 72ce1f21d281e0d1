import type { BrowserContext, Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { PASSWORD } from '../support/test-app.js';
import { problem, REFRESH, refreshCookie, startSignedIn, userIn } from './support/site.js';
import { reload } from './support/tab.js';

/** All that a script of the page can read and that outlives or leaves the memory of the client, as text. */
function readable(tab: Page): Promise<string> {
  return tab.evaluate(async () => {
    const stores = [localStorage, sessionStorage].map((store) => JSON.stringify(store));
    const databases = (await indexedDB.databases()).map(({ name }) => name);
    const caches = await globalThis.caches.keys();
    const resources = performance.getEntriesByType('resource').map(({ name }) => name);
    const page = [document.documentElement.outerHTML, document.cookie, document.title, document.referrer];
    const window = [location.href, name, JSON.stringify(history.state), JSON.stringify(client), JSON.stringify(events)];
    return [...stores, ...databases, ...caches, ...resources, ...page, ...window].join('\n');
  });
}

/** Every token that there was so far, of both kinds. */
function collectTokens(tab: Page, context: BrowserContext) {
  const tokens = new Set<string>();
  return async () => {
    const [access, refresh] = [await tab.evaluate(() => client.getAccessToken()), await refreshCookie(context)];
    for (const token of [access, refresh]) if (token) tokens.add(token);
    return [...tokens];
  };
}

test('no token is in storage, cookies that scripts can read, URL, history or page at any time', async () => {
  const { tab, line, context, email } = await startSignedIn();
  const tokens = collectTokens(tab, context);
  const expectNone = async (when: string) => {
    const text = await readable(tab);
    for (const token of await tokens()) expect(text, when).not.toContain(token);
    // Nor one that is not known here, nor the password.
    expect(text, when).not.toContain('eyJ');
    expect(text, when).not.toContain(PASSWORD);
  };
  await expectNone('signed in');
  await tab.evaluate(() => client.refresh());
  await expectNone('refreshed');
  await reload(tab);
  await expectNone('reloaded');
  await tab.evaluate(() => client.fetch('/v1/me'));
  await tab.evaluate((account) => client.login(account), { email, password: PASSWORD });
  await expectNone('signed in again');
  const mend = line.handle(REFRESH, async () => problem(503, 'unavailable'));
  await tab.evaluate(() => client.refresh().catch(() => {}));
  await expectNone('while Gatehouse is away');
  mend();
  expect(await tokens()).toHaveLength(8);
  await tab.evaluate(() => client.logout());
  await expectNone('signed out');
  for (const { path, headers } of line.exchanges) {
    for (const token of await tokens()) expect(`${path} ${headers.referer}`).not.toContain(token);
  }
  expect(await userIn(tab)).toBeNull();
});

test('what is left in the browser of a person who signed out names nobody', async () => {
  const { tab, context, email, sessionId, userId } = await startSignedIn();
  await tab.evaluate(() => client.logout());
  // By which the next sign-in from here is known again (a feature of guessing.md), and which scripts cannot read.
  expect((await context.cookies()).map(({ name, httpOnly }) => [name, httpOnly])).toEqual([['known_device', true]]);
  const stored = await tab.evaluate(() => JSON.stringify([localStorage, sessionStorage]));
  expect(stored).toBe('[{},{}]');
  await reload(tab);
  const text = await readable(tab);
  for (const trace of [email, sessionId, userId]) expect(text).not.toContain(trace);
});

test('the search for tokens finds them where they must not be', async () => {
  const { tab } = await startSignedIn();
  const places: (() => unknown)[] = [
    () => client.getAccessToken().then((token) => localStorage.setItem('t', token ?? '')),
    () => client.getAccessToken().then((token) => sessionStorage.setItem('t', token ?? '')),
    () => client.getAccessToken().then((token) => document.documentElement.setAttribute('data-t', token ?? '')),
    () => client.getAccessToken().then((token) => history.replaceState(null, '', `#${token}`)),
    () => client.getAccessToken().then((token) => Object.assign(document, { cookie: `t=${token}` })),
  ];
  for (const place of places) {
    await tab.evaluate(() => {
      localStorage.clear();
      sessionStorage.clear();
      history.replaceState(null, '', '#');
      document.documentElement.removeAttribute('data-t');
    });
    expect(await readable(tab)).not.toContain('eyJ');
    await tab.evaluate(place);
    expect(await readable(tab)).toContain('eyJ');
  }
});
