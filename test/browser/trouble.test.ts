import { expect, test } from 'vitest';
import type { Answer } from '../support/browser-line.js';
import { pass, passUntil, sleep, startAtStandstill } from './support/clock.js';
import { countOf, eventsIn, problem, REFRESH, sessionRow, startSignedIn, statusOf, userIn } from './support/site.js';
import { reload } from './support/tab.js';

const html = { 'content-type': 'text/html' };

test.each<[string, Answer | 'cut', string]>([
  ['429', problem(429, 'rate_limited', { 'retry-after': '7' }), 'rate_limited'],
  ['503 from Gatehouse', problem(503, 'unavailable', { 'retry-after': '7' }), 'unavailable'],
  ['503 from a proxy', { status: 503, headers: html, body: '<h1>Service Unavailable</h1>' }, 'unexpected_answer'],
  ['500', problem(500, 'internal_error'), 'internal_error'],
  ['the page of a captive portal', { status: 200, headers: html, body: '<h1>Buy wifi</h1>' }, 'unexpected_answer'],
  ['a redirect to a captive portal', { status: 302, headers: { location: '/test-page' } }, 'network_error'],
  ['a 401 of a proxy', { status: 401, headers: html, body: '<h1>Unauthorized</h1>' }, 'unexpected_answer'],
  ['a 403 of a firewall', { status: 403, headers: html, body: '<h1>Forbidden</h1>' }, 'unexpected_answer'],
  [
    'half an answer',
    { status: 200, headers: { 'content-length': '500' }, body: '{"access_tok', breaksOff: true },
    'unexpected_answer',
  ],
  ['an empty answer', { status: 200 }, 'unexpected_answer'],
  ['no answer', 'cut', 'network_error'],
])('%s signs nobody out, and is over when it is over', async (_name, answer, code) => {
  const { tab, line, openTab: open, email, sessionId } = await startSignedIn();
  const mend = line.handle(REFRESH, async () => answer);
  expect(await tab.evaluate(() => client.refresh().catch((error) => error.code))).toBe(code);
  expect(await userIn(tab)).toBe(email);
  expect(await statusOf(tab, '/v1/sessions')).toBe(200);
  // A tab that knows nothing yet says neither this nor that.
  const other = await open();
  expect(await userIn(other)).toBeUndefined();
  expect(await eventsIn(other)).toEqual([]);
  mend();
  expect(await tab.evaluate(async () => (await client.refresh())?.email)).toBe(email);
  await expect.poll(() => userIn(other), { timeout: 20_000 }).toBe(email);
  // Once, or twice where the other tab came first.
  expect((await eventsIn(tab)).join()).toMatch(/^signed_in(,refreshed)+$/);
  expect(await sessionRow(sessionId)).toMatchObject({ end_reason: null });
});

test('JSON of something else in the place of tokens signs nobody out', async () => {
  const { tab, line, email } = await startSignedIn();
  const headers = { 'content-type': 'application/json' };
  const mend = line.handle(REFRESH, async () => ({ status: 200, headers, body: '{"hello":"world"}' }));
  await tab.evaluate(() => client.refresh().catch(() => {}));
  expect(await userIn(tab)).toBe(email);
  await reload(tab);
  expect(await userIn(tab)).toBeUndefined();
  mend();
  await expect.poll(() => userIn(tab), { timeout: 20_000 }).toBe(email);
});

test.each([429, 503])('%d with Retry-After is asked again after that time, and not before', async (status) => {
  const { tab, line } = await startAtStandstill();
  const mend = line.handle(REFRESH, async () => problem(status, 'unavailable', { 'retry-after': '120' }));
  await tab.evaluate(() => client.refresh().catch(() => {}));
  expect(countOf(line, REFRESH)).toBe(1);
  // The token is old meanwhile: still nobody asks.
  await sleep(tab, 3_600);
  await pass(tab, 110);
  expect(await tab.evaluate(() => client.getAccessToken().catch(({ retryAfter }) => retryAfter))).toBe(120);
  expect(countOf(line, REFRESH)).toBe(1);
  mend();
  // Half as long again at most: not all clients at once.
  await passUntil(tab, () => countOf(line, REFRESH) > 1, 80);
  await expect.poll(() => eventsIn(tab), { timeout: 20_000 }).toEqual(['signed_in', 'refreshed']);
  expect(countOf(line, REFRESH)).toBe(2);
});
