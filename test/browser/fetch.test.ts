import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { type Line, startLine } from '../support/browser-line.js';
import { callsOn, countOf, createGate, eventsIn, REFRESH, startSignedIn, statusOf, userIn } from './support/site.js';
import { openTab } from './support/tab.js';

const API = '/api/things';

/** Puts an API beside the page that takes no token but the newest of the client's refreshes. */
async function startApi(line: Line, tab: Page) {
  const refused = await tab.evaluate(() => client.getAccessToken());
  const bodies: string[] = [];
  const tokens: (string | undefined)[] = [];
  line.handle(API, async ({ headers, body }) => {
    bodies.push(body.toString());
    tokens.push(headers.authorization);
    const isRefused = headers.authorization === `Bearer ${refused}`;
    return { status: isRefused ? 401 : 200, body: body.toString() };
  });
  return { refused, bodies, tokens };
}

test('an API that always answers 401 gets each request twice at most, and Gatehouse one refresh in seconds', async () => {
  const { tab, line, email } = await startSignedIn();
  line.handle(API, async () => ({ status: 401 }));
  const statuses = await tab.evaluate(async (url) => {
    const seen: number[] = [];
    for (let call = 0; call < 20; call += 1) seen.push((await client.fetch(url)).status);
    const atOnce = await Promise.all(Array.from({ length: 20 }, () => client.fetch(url)));
    return seen.concat(atOnce.map(({ status }) => status));
  }, API);
  expect(statuses).toEqual(Array(40).fill(401));
  expect(countOf(line, API)).toBeGreaterThan(40);
  expect(countOf(line, API)).toBeLessThanOrEqual(80);
  // Forty calls in a moment; a second refresh only if this machine needed more than five seconds for them.
  expect(countOf(line, REFRESH)).toBeGreaterThan(0);
  expect(countOf(line, REFRESH)).toBeLessThanOrEqual(2);
  expect(await userIn(tab)).toBe(email);
});

test('a Gatehouse that refuses its own newest tokens sees a bounded number of requests', async () => {
  const { tab, line, email } = await startSignedIn();
  const challenge = { 'www-authenticate': 'Bearer realm="test", error="invalid_token"' };
  line.handle('/v1/sessions', async () => ({ status: 401, headers: challenge }));
  for (let call = 0; call < 10; call += 1) expect(await statusOf(tab, '/v1/sessions')).toBe(401);
  expect(countOf(line, '/v1/sessions')).toBeLessThanOrEqual(20);
  expect(countOf(line, REFRESH)).toBeLessThanOrEqual(2);
  expect(await userIn(tab)).toBe(email);
});

test('requests that are refused together share one refresh, and are repeated once each', async () => {
  const { tab, line } = await startSignedIn();
  const { tokens } = await startApi(line, tab);
  const statuses = await tab.evaluate(async (url) => {
    const all = await Promise.all(Array.from({ length: 10 }, () => client.fetch(url)));
    return all.map(({ status }) => status);
  }, API);
  expect(statuses).toEqual(Array(10).fill(200));
  expect(countOf(line, REFRESH)).toBe(1);
  expect(tokens.length).toBeLessThanOrEqual(20);
  expect(new Set(tokens).size).toBe(2);
});

test('a wrong password at a gated route is neither repeated nor a reason to refresh', async () => {
  const { tab, line, email } = await startSignedIn();
  const change = { current_password: 'not this one at all', new_password: 'another horse, another battery' };
  const code = await tab.evaluate((passwords) => client.changePassword(passwords).catch((error) => error.code), change);
  expect(code).toBe('invalid_credentials');
  expect(callsOn(line)).toEqual(['POST /v1/auth/password/change 401']);
  const status = await tab.evaluate(
    async (passwords) =>
      (
        await client.fetch('/v1/auth/password/change', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(passwords),
        })
      ).status,
    change,
  );
  expect(status).toBe(401);
  expect(callsOn(line)).toEqual(Array(2).fill('POST /v1/auth/password/change 401'));
  expect(await userIn(tab)).toBe(email);
});

test.each([
  ['a string', (url: string) => client.fetch(url, { method: 'POST', body: '{"thing":"ünïcode"}' })],
  [
    'bytes',
    (url: string) => client.fetch(url, { method: 'POST', body: new TextEncoder().encode('{"thing":"ünïcode"}') }),
  ],
  ['a blob', (url: string) => client.fetch(url, { method: 'POST', body: new Blob(['{"thing":"ünïcode"}']) })],
  ['a Request', (url: string) => client.fetch(new Request(url, { method: 'POST', body: '{"thing":"ünïcode"}' }))],
  [
    'a Request and options over it',
    (url: string) =>
      client.fetch(new Request(url, { method: 'PUT', body: 'not this' }), { body: '{"thing":"ünïcode"}' }),
  ],
])('a body that is %s is sent again as it was, with the new token', async (_name, call) => {
  const { tab, line } = await startSignedIn();
  const { bodies, tokens, refused } = await startApi(line, tab);
  const text = await tab.evaluate(`(${call})('${API}').then((response) => response.text())`);
  expect(text).toBe('{"thing":"ünïcode"}');
  expect(bodies).toEqual(Array(2).fill('{"thing":"ünïcode"}'));
  expect(tokens[0]).toBe(`Bearer ${refused}`);
  expect(tokens[1]).not.toBe(tokens[0]);
  expect(countOf(line, REFRESH)).toBe(1);
});

test('a stream is sent once, and the app sees the refusal; the next request has the new token', async () => {
  // Browsers send streams over HTTP/2 only.
  const { tab, line } = await startSignedIn({}, { hostname: 'auth.example.test' });
  const { bodies } = await startApi(line, tab);
  const send = () =>
    tab.evaluate(async (url) => {
      const body = new Blob(['once']).stream();
      return (await client.fetch(url, { method: 'POST', body, duplex: 'half' } as RequestInit)).status;
    }, API);
  expect(await send()).toBe(401);
  expect(bodies).toEqual(['once']);
  expect(await send()).toBe(200);
  expect(bodies).toEqual(['once', 'once']);
  expect(countOf(line, REFRESH)).toBe(1);
});

test('a request that is aborted before it starts reaches nobody', async () => {
  const { tab, line } = await startSignedIn();
  const reason = await tab.evaluate(
    (url) => client.fetch(url, { signal: AbortSignal.abort('not needed') }).catch((error) => error),
    '/v1/me',
  );
  expect(reason).toBe('not needed');
  expect(callsOn(line)).toEqual([]);
});

test('a request that is aborted during a refresh ends at once, and leaves the refresh to the others', async () => {
  const { tab, line } = await startSignedIn();
  const { bodies } = await startApi(line, tab);
  const { open, opened } = createGate();
  line.handle(REFRESH, ({ pass }) => opened.then(() => pass()));
  await tab.evaluate((url) => {
    const controller = new AbortController();
    const outcome = (promise: Promise<Response>) =>
      promise.then(
        ({ status }) => status,
        (error) => error,
      );
    Object.assign(globalThis, {
      controller,
      aborted: outcome(client.fetch(url, { signal: controller.signal })),
      other: outcome(client.fetch(url)),
    });
  }, API);
  await expect.poll(() => countOf(line, REFRESH)).toBe(1);
  const aborted = await tab.evaluate('controller.abort("enough"), aborted');
  expect(aborted).toBe('enough');
  expect(await eventsIn(tab)).toEqual(['signed_in']);
  open();
  expect(await tab.evaluate('other')).toBe(200);
  expect(await eventsIn(tab)).toEqual(['signed_in', 'refreshed']);
  expect(countOf(line, REFRESH)).toBe(1);
  // Twice refused, once repeated.
  expect(bodies).toHaveLength(3);
});

test('a request that is aborted on its way is aborted on the network, and so is a repeated one', async () => {
  const { tab, line } = await startSignedIn();
  const refused = await tab.evaluate(() => client.getAccessToken());
  line.handle(API, async ({ headers }) =>
    headers.authorization === `Bearer ${refused}` ? { status: 401 } : new Promise(() => {}),
  );
  const failed = tab.waitForEvent('requestfailed', (request) => request.url().endsWith(API));
  await tab.evaluate((url) => {
    const controller = new AbortController();
    const aborted = client.fetch(url, { signal: controller.signal }).catch((error) => error);
    Object.assign(globalThis, { controller, aborted });
  }, API);
  await expect.poll(() => countOf(line, API), { timeout: 10_000 }).toBe(2);
  expect(await tab.evaluate('controller.abort("enough"), aborted')).toBe('enough');
  expect((await failed).failure()?.errorText).toContain('ERR_ABORTED');
});

test('the token goes to Gatehouse, the page and the named origins, and to nobody else', async () => {
  const gatehouse = await startSignedIn();
  const [named, stranger] = [await startLine(), await startLine()];
  for (const line of [named, stranger]) {
    line.handle(null, async ({ headers, method }) => ({
      status: method === 'OPTIONS' ? 204 : 200,
      headers: { 'access-control-allow-origin': headers.origin, 'access-control-allow-headers': 'authorization' },
    }));
  }
  gatehouse.line.handle('/away', async () => ({ status: 307, headers: { location: `${stranger.origin}/redirected` } }));
  const tab = await openTab(gatehouse.context, gatehouse.origin, { apiOrigins: [named.origin] });
  const token = await tab.evaluate(() => client.getAccessToken());
  await tab.evaluate(
    async (urls) => {
      for (const url of urls) await client.fetch(url);
    },
    ['/v1/me', `${named.origin}/things`, `${stranger.origin}/things`, `${stranger.origin}/v1/me`, '/away'],
  );
  const tokensAt = ({ exchanges }: Line) =>
    exchanges.filter(({ method }) => method === 'GET').map(({ path, headers }) => [path, headers.authorization]);
  expect(tokensAt(gatehouse.line)).toContainEqual(['/v1/me', `Bearer ${token}`]);
  expect(tokensAt(named)).toEqual([['/things', `Bearer ${token}`]]);
  expect(tokensAt(stranger)).toEqual([
    ['/things', undefined],
    ['/v1/me', undefined],
    ['/redirected', undefined],
  ]);
});

test('fetch is that of the browser in all else', async () => {
  const { tab, line } = await startSignedIn();
  line.handle(API, async ({ headers, method, body }) => ({
    status: 418,
    headers: { 'x-method': method, 'x-asked': String(headers['x-ask']) },
    body,
  }));
  const answer = await tab.evaluate(async (url) => {
    const response = await client.fetch(new URL(url, location.href), {
      method: 'PATCH',
      headers: { 'x-ask': 'yes' },
      body: 'text',
    });
    const { status, headers } = response;
    return [status, headers.get('x-method'), headers.get('x-asked'), await response.text()];
  }, API);
  expect(answer).toEqual([418, 'PATCH', 'yes', 'text']);
  const error = await tab.evaluate(() => client.fetch('http://localhost:1/').catch(({ name }) => name));
  expect(error).toBe('TypeError');
});
