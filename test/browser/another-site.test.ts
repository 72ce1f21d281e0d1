import type { BrowserContext } from 'playwright-core';
import { expect, test } from 'vitest';
import { openBrowserThat } from '../support/browser.js';
import { startGatehouse } from '../support/browser-gatehouse.js';
import { startLine } from '../support/browser-line.js';
import { getMe, PASSWORD } from '../support/test-app.js';
import {
  callsOn,
  countOf,
  eventsIn,
  LOGOUT,
  problem,
  REFRESH,
  refreshCookie,
  sessionRow,
  signUp,
  userIn,
} from './support/site.js';
import { openTab, reload, servePage } from './support/tab.js';

/** Gatehouse at https://auth.example.test, and the page of an app at another host; both over https. */
async function startApart(appHost: string, sameSite: string, context: BrowserContext) {
  const app = await startLine(appHost, { https: true });
  await servePage(app);
  const gatehouse = await startGatehouse(
    { ALLOWED_ORIGINS: app.origin, COOKIE_SAME_SITE: sameSite },
    { hostname: 'auth.example.test' },
  );
  const open = () => openTab(context, app.origin, { baseUrl: gatehouse.origin });
  return { ...gatehouse, appOrigin: app.origin, context, openTab: open, tab: await open() };
}

test.each([
  ['another site, with SameSite=None', 'app.othersite.test', 'none'],
  ['another origin of the same site, with SameSite=Strict', 'app.example.test', 'strict'],
])('a page of %s signs in, reloads, refreshes, fetches and signs out', async (_name, appHost, sameSite) => {
  const {
    origin,
    app,
    line,
    context,
    tab,
    openTab: open,
    sessionId,
    email,
  } = await startApart(appHost, sameSite, await openBrowserThat({ blocksOtherSites: false })).then(async (started) => ({
    ...started,
    ...(await signUp(started.tab)),
  }));
  const me = () => tab.evaluate(async (url) => (await client.fetch(`${url}/v1/me`)).status, origin);
  expect(await me()).toBe(200);
  await reload(tab);
  expect(await userIn(tab)).toBe(email);
  expect(await me()).toBe(200);
  await tab.evaluate(() => client.refresh());
  expect(await me()).toBe(200);
  expect(await sessionRow(sessionId)).toMatchObject({ generation: 3, end_reason: null });
  expect(callsOn(line).filter((call) => call.startsWith('OPTIONS'))).not.toEqual([]);

  // Another tab of the same app shares the sign-in, and the sign-out.
  const other = await open();
  expect(await userIn(other)).toBe(email);
  const token = await tab.evaluate(() => client.getAccessToken());
  await tab.evaluate(() => client.logout());
  await expect.poll(() => userIn(other), { timeout: 10_000 }).toBeNull();
  expect(await sessionRow(sessionId)).toMatchObject({ end_reason: 'logout' });
  expect((await getMe(app, token ?? '')).statusCode).toBe(401);
  expect(await refreshCookie(context)).toBeUndefined();
  await reload(tab);
  expect(await userIn(tab)).toBeNull();

  await tab.evaluate((account) => client.login(account), { email, password: PASSWORD });
  expect(await userIn(tab)).toBe(email);
});

test('a page of another site learns from a 401 that its token is old, and from 429 when to come back', async () => {
  const { origin, line, tab } = await startApart(
    'app.othersite.test',
    'none',
    await openBrowserThat({ blocksOtherSites: false }),
  );
  await signUp(tab);
  const token = await tab.evaluate(() => client.getAccessToken());
  line.handle('/v1/sessions', ({ headers: { authorization }, pass }) =>
    pass(authorization === `Bearer ${token}` ? { authorization: 'Bearer old' } : {}),
  );
  expect(await tab.evaluate(async (url) => (await client.fetch(`${url}/v1/sessions`)).status, origin)).toBe(200);
  expect(countOf(line, REFRESH)).toBe(1);

  line.handle(REFRESH, async ({ pass }) => {
    const { headers } = await pass();
    return problem(429, 'rate_limited', { ...headers, 'retry-after': '9' });
  });
  const told = await tab.evaluate(() => client.refresh().catch(({ code, retryAfter }) => [code, retryAfter]));
  expect(told).toEqual(['rate_limited', 9]);
});

test('a page whose site is not allowed can neither sign in nor use what is there', async () => {
  const { origin, context, tab, email, sessionId, line } = await startApart(
    'app.othersite.test',
    'none',
    await openBrowserThat({ blocksOtherSites: false }),
  ).then(async (started) => ({ ...started, ...(await signUp(started.tab)) }));
  expect(await userIn(tab)).toBe(email);
  const foreign = await startLine('evil.othersite.test', { https: true });
  await servePage(foreign);
  const thief = await openTab(context, foreign.origin, { baseUrl: origin });
  expect(await userIn(thief)).toBeNull();
  expect(await thief.evaluate(() => client.refresh().catch(({ code }) => code))).toBe('network_error');
  const login = (account: { email: string; password: string }) => client.login(account).catch(({ code }) => code);
  expect(await thief.evaluate(login, { email, password: PASSWORD })).toBe('network_error');
  // Past the preflight, by a request that needs none, and whose answer it cannot read.
  const send = (url: string) => fetch(url, { method: 'POST', mode: 'no-cors', credentials: 'include' }).catch(() => {});
  for (const path of [REFRESH, LOGOUT]) {
    await thief.evaluate(`(${send})('${origin}${path}').then(() => {})`);
    expect(line.exchanges.at(-1)).toMatchObject({ path, method: 'POST', status: 403 });
  }
  expect(await sessionRow(sessionId)).toMatchObject({ generation: 1, end_reason: null });
});

test('where cookies of other sites are blocked, a sign-in lasts as long as its token, and a reload says signed out', async () => {
  const { origin, line, tab, context } = await startApart(
    'app.othersite.test',
    'none',
    await openBrowserThat({ blocksOtherSites: true }),
  );
  await signUp(tab);
  expect(await refreshCookie(context)).toBeUndefined();
  expect(await tab.evaluate(async (url) => (await client.fetch(`${url}/v1/me`)).status, origin)).toBe(200);
  await reload(tab);
  expect(await userIn(tab)).toBeNull();
  expect(await eventsIn(tab)).toEqual(['signed_out: refresh_token_missing']);
  expect(countOf(line, REFRESH)).toBeLessThanOrEqual(2);
  const calls = callsOn(line).length;
  // Nothing is asked again, neither by itself nor by another reload.
  await reload(tab);
  expect(await userIn(tab)).toBeNull();
  expect(callsOn(line)).toHaveLength(calls);
});
