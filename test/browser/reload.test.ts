import { expect, test } from 'vitest';
import { openBrowser } from '../support/browser.js';
import { callsOn, eventsIn, sessionRow, signUp, startSignedIn, startSite, statusOf, userIn } from './support/site.js';
import { openTab, reload } from './support/tab.js';

test('a reload keeps the sign-in, and asks for one refresh only', async () => {
  const { tab, line, email, sessionId } = await startSignedIn();
  for (let round = 1; round <= 5; round += 1) {
    line.exchanges.length = 0;
    await reload(tab);
    expect(await userIn(tab)).toBe(email);
    expect(await eventsIn(tab)).toEqual(['signed_in']);
    expect(await statusOf(tab, '/v1/sessions')).toBe(200);
    expect(callsOn(line)).toEqual(['POST /v1/auth/refresh 200', 'GET /v1/sessions 200']);
    expect(await sessionRow(sessionId)).toMatchObject({ generation: 1 + round, end_reason: null });
  }
});

test('a browser that is closed and opened again keeps the sign-in', async () => {
  const { tab, origin, context, email, sessionId } = await startSignedIn();
  await tab.close();
  const storageState = await context.storageState();
  await context.close();
  const opened = await openTab(await openBrowser({ storageState }), origin);
  expect(await userIn(opened)).toBe(email);
  expect(await sessionRow(sessionId)).toMatchObject({ generation: 2, end_reason: null });
});

test('somebody who never signed in causes no request at all, and nobody who signed out does', async () => {
  const { openTab: open, line } = await startSite();
  const tab = await open();
  expect(await userIn(tab)).toBeNull();
  expect(await tab.evaluate(() => client.getAccessToken())).toBeNull();
  await reload(tab);
  expect(callsOn(line)).toEqual([]);

  await signUp(tab);
  await tab.evaluate(() => client.logout());
  line.exchanges.length = 0;
  await reload(tab);
  expect(await userIn(tab)).toBeNull();
  expect(callsOn(line)).toEqual([]);
});

test('a sign-in whose hint was forgotten is found again by refresh', async () => {
  const { tab, line, email } = await startSignedIn();
  await tab.evaluate(() => localStorage.clear());
  await reload(tab);
  expect(await userIn(tab)).toBeNull();
  expect(callsOn(line)).toEqual([]);
  expect(await tab.evaluate(async () => (await client.refresh())?.email)).toBe(email);
  expect(await eventsIn(tab)).toEqual(['signed_in']);
});

test('a sign-in whose cookie is gone ends with one request, and the next reload asks no more', async () => {
  const { tab, line, context } = await startSignedIn();
  await context.clearCookies();
  await reload(tab);
  expect(await userIn(tab)).toBeNull();
  expect(await eventsIn(tab)).toEqual(['signed_out: refresh_token_missing']);
  expect(callsOn(line)).toEqual(['POST /v1/auth/refresh 401']);
  await reload(tab);
  expect(callsOn(line)).toEqual(['POST /v1/auth/refresh 401']);
});
