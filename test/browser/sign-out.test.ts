import { expect, test } from 'vitest';
import { NEW_PASSWORD } from '../support/accounts.js';
import { sql } from '../support/database.js';
import { getMe, logIn, PASSWORD } from '../support/test-app.js';
import {
  callsOn,
  countOf,
  eventsIn,
  LOGOUT,
  problem,
  REFRESH,
  refreshCookie,
  sessionRow,
  startSignedIn,
  statusOf,
  userIn,
} from './support/site.js';
import { reload } from './support/tab.js';

const BOUND = { timeout: 20_000 };

/** One person, three tabs. */
async function startThreeTabs() {
  const started = await startSignedIn();
  const tabs = [started.tab, await started.openTab(), await started.openTab()] as const;
  started.line.exchanges.length = 0;
  return { ...started, tabs };
}

test('signing out in one tab empties the others at once, and no access token is good any more', async () => {
  const { tabs, app, context, line, sessionId } = await startThreeTabs();
  const tokens = await Promise.all(tabs.map((tab) => tab.evaluate(() => client.getAccessToken())));
  for (const token of tokens) expect((await getMe(app, token ?? '')).statusCode).toBe(200);
  await tabs[1].evaluate(() => client.logout());
  expect(await sessionRow(sessionId)).toMatchObject({ end_reason: 'logout' });
  for (const tab of tabs) {
    await expect.poll(() => eventsIn(tab), BOUND).toContain('signed_out: logout');
    expect(await userIn(tab)).toBeNull();
    expect(await tab.evaluate(() => client.session)).toBeNull();
    expect(await tab.evaluate(() => client.getAccessToken())).toBeNull();
    // Sent without a token.
    expect(await statusOf(tab, '/v1/sessions')).toBe(401);
  }
  for (const token of tokens) {
    expect((await getMe(app, token ?? '')).json()).toMatchObject({ code: 'session_ended', reason: 'logout' });
  }
  expect(await refreshCookie(context)).toBeUndefined();
  expect(countOf(line, LOGOUT)).toBe(1);
  expect(countOf(line, REFRESH)).toBe(0);
  expect(line.exchanges.filter(({ path, headers }) => path === '/v1/sessions' && headers.authorization)).toEqual([]);
});

test('other tabs are emptied before Gatehouse has answered', async () => {
  const { tabs, line } = await startThreeTabs();
  const mend = line.handle(LOGOUT, () => new Promise(() => {}));
  await tabs[0].evaluate(() => void client.logout().catch(() => {}));
  for (const tab of tabs) await expect.poll(() => userIn(tab), BOUND).toBeNull();
  for (const tab of tabs) expect(await tab.evaluate(() => client.getAccessToken())).toBeNull();
  mend();
});

test('signing in in one tab signs in the others, without a request of theirs', async () => {
  const { tabs, line, email } = await startThreeTabs();
  await tabs[0].evaluate(() => client.logout());
  for (const tab of tabs) await expect.poll(() => userIn(tab), BOUND).toBeNull();
  line.exchanges.length = 0;
  await tabs[1].evaluate((account) => client.login(account), { email, password: PASSWORD });
  for (const tab of tabs) {
    await expect.poll(() => userIn(tab), BOUND).toBe(email);
    expect((await eventsIn(tab)).at(-1)).toBe('signed_in');
    expect(await statusOf(tab, '/v1/sessions')).toBe(200);
  }
  expect(countOf(line, REFRESH)).toBe(0);
});

test('signing out offline empties all tabs at once, and Gatehouse is told when the network is back', async () => {
  const { tabs, context, line, sessionId } = await startThreeTabs();
  await context.setOffline(true);
  expect(await tabs[0].evaluate(() => client.logout().catch(({ code }) => code))).toBe('network_error');
  for (const tab of tabs) {
    await expect.poll(() => userIn(tab), BOUND).toBeNull();
    expect((await eventsIn(tab)).at(-1)).toBe('signed_out: logout');
    expect(await tab.evaluate(() => client.getAccessToken())).toBeNull();
  }
  expect(await sessionRow(sessionId)).toMatchObject({ end_reason: null });
  await context.setOffline(false);
  await expect.poll(() => sessionRow(sessionId), BOUND).toMatchObject({ end_reason: 'logout' });
  await expect.poll(() => refreshCookie(context), BOUND).toBeUndefined();
  for (const tab of tabs) expect(await userIn(tab)).toBeNull();
  expect(countOf(line, REFRESH)).toBe(0);
});

test('who signed out while Gatehouse was away stays out after a reload, and Gatehouse is told then', async () => {
  const { tab, context, line, sessionId } = await startSignedIn();
  const mend = line.handle(LOGOUT, async () => problem(503, 'unavailable', { 'retry-after': '60' }));
  expect(await tab.evaluate(() => client.logout().catch(({ code }) => code))).toBe('unavailable');
  await reload(tab);
  expect(await userIn(tab)).toBeNull();
  expect(await sessionRow(sessionId)).toMatchObject({ end_reason: null });
  mend();
  await reload(tab);
  expect(await userIn(tab)).toBeNull();
  await expect.poll(() => sessionRow(sessionId), BOUND).toMatchObject({ end_reason: 'logout' });
  await expect.poll(() => refreshCookie(context), BOUND).toBeUndefined();
  expect(countOf(line, REFRESH)).toBe(0);
  line.exchanges.length = 0;
  await reload(tab);
  expect(callsOn(line)).toEqual([]);
});

test.each<[string, string, (started: Awaited<ReturnType<typeof startThreeTabs>>) => Promise<unknown>]>([
  [
    'ended from another device',
    'revoked',
    async ({ app, email, sessionId }) => {
      const { accessToken } = await logIn(app, email);
      const headers = { authorization: `Bearer ${accessToken}` };
      await app.inject({ method: 'DELETE', url: `/v1/sessions/${sessionId}`, headers });
    },
  ],
  [
    'ended by a change of the password elsewhere',
    'password_changed',
    async ({ app, email }) => {
      const { accessToken } = await logIn(app, email);
      const headers = { authorization: `Bearer ${accessToken}` };
      const payload = { current_password: PASSWORD, new_password: NEW_PASSWORD };
      await app.inject({ method: 'POST', url: '/v1/auth/password/change', headers, payload });
    },
  ],
  [
    'ended since a thief used an old token',
    'reuse_detected',
    async ({ app, context, tab }) => {
      const cookie = `refresh_token=${await refreshCookie(context)}`;
      await tab.evaluate(() => client.refresh());
      await tab.evaluate(() => client.refresh());
      await app.inject({ method: 'POST', url: REFRESH, headers: { cookie } });
    },
  ],
  [
    'expired',
    'idle',
    ({ sessionId }) =>
      sql("UPDATE sessions SET idle_expires_at = now() - interval '1 second' WHERE id = $1", [sessionId]),
  ],
])('a session that was %s empties all tabs with the reason at the next request of one', async (_name, reason, end) => {
  const started = await startThreeTabs();
  const { tabs, line } = started;
  await end(started);
  line.exchanges.length = 0;
  // The gate knows nothing of expired sessions: their tokens live on for minutes.
  const status =
    reason === 'idle'
      ? await tabs[1].evaluate(async () => (await client.refresh()) && 200)
      : await statusOf(tabs[1], '/v1/sessions');
  expect(status).toBe(reason === 'idle' ? null : 401);
  for (const tab of tabs) {
    await expect.poll(() => eventsIn(tab), BOUND).toContain(`signed_out: ${reason}`);
    expect(await userIn(tab)).toBeNull();
    expect(await tab.evaluate(() => client.getAccessToken())).toBeNull();
    expect((await eventsIn(tab)).filter((event) => event.startsWith('signed_out'))).toHaveLength(1);
  }
  // One tab found out, the others were told.
  expect(countOf(line, REFRESH)).toBe(1);
  await reload(tabs[2]);
  expect(await userIn(tabs[2])).toBeNull();
  expect(countOf(line, REFRESH)).toBe(1);
});

test('changing the password keeps this sign-in in all tabs, and ends the others', async () => {
  const { tabs, app, email, sessionId } = await startThreeTabs();
  const other = await logIn(app, email);
  const change = { current_password: PASSWORD, new_password: NEW_PASSWORD };
  await tabs[0].evaluate((passwords) => client.changePassword(passwords), change);
  expect(await sessionRow(other.sessionId)).toMatchObject({ end_reason: 'password_changed' });
  for (const tab of tabs) {
    await expect.poll(() => eventsIn(tab), BOUND).toEqual(expect.arrayContaining(['refreshed']));
    expect(await statusOf(tab, '/v1/sessions')).toBe(200);
    expect(await userIn(tab)).toBe(email);
  }
  expect(await sessionRow(sessionId)).toMatchObject({ end_reason: null });
});

test('ending all sessions signs out here, too, in all tabs', async () => {
  const { tabs, sessionId } = await startThreeTabs();
  expect(await tabs[0].evaluate(async () => (await client.sessions.list()).map(({ id }) => id))).toEqual([sessionId]);
  await tabs[0].evaluate(() => client.sessions.endAll());
  for (const tab of tabs) await expect.poll(() => eventsIn(tab), BOUND).toContain('signed_out: revoked');
});
