import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type Line, startSignedIn } from './support.js';

type Seen = { method: string | undefined; headers: IncomingHttpHeaders; body: string };

/** Another service, that takes any token, or none. */
async function startService(status: (seen: Seen) => number = () => 200, challenge?: string) {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const one = { method: request.method, headers: request.headers, body: Buffer.concat(chunks).toString() };
    seen.push(one);
    if (challenge) response.setHeader('www-authenticate', challenge);
    response.writeHead(status(one)).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { origin, seen, tokens: () => seen.map(({ headers }) => headers.authorization?.replace('Bearer ', '')) };
}

/** Takes every token but the first that it sees. */
function refusingTheFirst() {
  let first: string | undefined;
  return ({ headers }: Seen) => {
    first ??= headers.authorization;
    return headers.authorization === first ? 401 : 200;
  };
}

test('gives the token to Gatehouse and to the origins of the app, and to no other', async () => {
  const [own, stranger] = [await startService(), await startService()];
  const { client, calls, baseUrl } = await startSignedIn({ apiOrigins: [own.origin] });
  await client.fetch(`${own.origin}/data`);
  await client.fetch(`${stranger.origin}/data`);
  // Looks like Gatehouse, and is not.
  await client.fetch(`${stranger.origin}/${baseUrl}/v1/me`);
  await client.fetch(stranger.origin.replace('://', `://${new URL(baseUrl).host.replace(':', '.')}.`)).catch(() => {});
  const token = await client.getAccessToken();
  expect(own.tokens()).toEqual([token]);
  expect(stranger.tokens()).toEqual([undefined, undefined]);
  expect(calls.filter((call) => call.token !== null)).toHaveLength(1);
});

test("leaves the app's own Authorization header alone", async () => {
  const service = await startService();
  const { client } = await startSignedIn({ apiOrigins: [service.origin] });
  await client.fetch(service.origin, { headers: { authorization: 'Bearer of the app' } });
  expect(service.tokens()).toEqual(['of the app']);
});

test.each([
  ['a string', () => ({ method: 'POST', body: '{"a":1}' }), '{"a":1}'],
  ['a form', () => ({ method: 'PUT', body: new URLSearchParams({ a: '1' }) }), 'a=1'],
  ['bytes', () => ({ method: 'PATCH', body: new TextEncoder().encode('abc') }), 'abc'],
  ['nothing', () => ({ method: 'DELETE' }), ''],
] satisfies [string, () => RequestInit, string][])(
  'repeats a request with %s once with another token after a 401',
  async (_name, init, body) => {
    const service = await startService(refusingTheFirst());
    const { client, countOf } = await startSignedIn({ apiOrigins: [service.origin] });
    const old = await client.getAccessToken();
    const answer = await client.fetch(`${service.origin}/data`, init());
    expect(answer.status).toBe(200);
    expect(service.tokens()).toEqual([old, await client.getAccessToken()]);
    expect(service.seen.map((one) => [one.method, one.body])).toEqual(Array(2).fill([init().method, body]));
    expect(countOf('/v1/auth/refresh')).toBe(1);
  },
);

test('repeats a Request object as it was, headers and all', async () => {
  const service = await startService(refusingTheFirst());
  const { client } = await startSignedIn({ apiOrigins: [service.origin] });
  const headers = { 'content-type': 'application/json', 'x-of-the-app': 'yes' };
  const request = new Request(`${service.origin}/data`, { method: 'POST', body: '{"a":1}', headers });
  expect((await client.fetch(request)).status).toBe(200);
  const repeated = service.seen.map((one) => [one.body, one.headers['x-of-the-app'], one.headers['content-type']]);
  expect(repeated).toEqual(Array(2).fill(['{"a":1}', 'yes', 'application/json']));
});

test('sends a stream once, and still gets another token for the next request', async () => {
  const service = await startService(refusingTheFirst());
  const { client, countOf } = await startSignedIn({ apiOrigins: [service.origin] });
  const stream = () => new Blob(['streamed']).stream();
  const send = () => client.fetch(service.origin, { method: 'POST', body: stream(), duplex: 'half' } as RequestInit);
  expect((await send()).status).toBe(401);
  expect(service.seen).toHaveLength(1);
  expect((await send()).status).toBe(200);
  expect(service.seen.map(({ body }) => body)).toEqual(['streamed', 'streamed']);
  expect(countOf('/v1/auth/refresh')).toBe(1);
});

test('never loops with a service that refuses every token', async () => {
  const service = await startService(() => 401);
  const { client, countOf, events, email } = await startSignedIn({ apiOrigins: [service.origin] });
  for (let round = 0; round < 10; round++) {
    const answers = await Promise.all([client.fetch(service.origin), client.fetch(service.origin)]);
    expect(answers.map(({ status }) => status)).toEqual([401, 401]);
  }
  expect(service.seen.length).toBeLessThanOrEqual(22);
  expect(countOf('/v1/auth/refresh')).toBe(1);
  expect(client.user).toMatchObject({ email });
  expect(events.map(({ type }) => type)).toEqual(['refreshed']);
});

test.each([
  ['a wrong password', 'DELETE', '/v1/me', { password: 'wrong' }, 'invalid_credentials'],
  ['an address that is no session', 'DELETE', '/v1/sessions/nobody', undefined, 'session_not_found'],
] as const)('neither repeats nor refreshes for %s', async (_name, method, path, body, code) => {
  const { client, baseUrl, countOf, calls } = await startSignedIn();
  const headers = { 'content-type': 'application/json' };
  const init = { method, ...(body && { body: JSON.stringify(body), headers }) };
  const answer = await client.fetch(baseUrl + path, init);
  expect((await answer.json()).code).toBe(code);
  expect(calls).toHaveLength(1);
  expect(countOf('/v1/auth/refresh')).toBe(0);
});

test.each([
  ['says that the token is bad', 'Bearer error="invalid_token"', 2],
  ['wants a more recent sign-in', 'Bearer error="insufficient_user_authentication"', 1],
  ['wants another scope', 'Bearer error="insufficient_scope"', 1],
  ['gives no reason', undefined, 2],
])('when another service %s', async (_name, challenge, times) => {
  const service = await startService(refusingTheFirst(), challenge);
  const { client } = await startSignedIn({ apiOrigins: [service.origin] });
  await client.fetch(service.origin);
  expect(service.seen).toHaveLength(times);
});

test('does not take a failing refresh for a refusal: the request fails as the network did', async () => {
  const service = await startService(() => 401);
  let broken = false;
  const line: Line = async (request, pass) => {
    if (broken && request.url.endsWith('/refresh')) throw new TypeError('fetch failed');
    return pass(request);
  };
  const { client, email, events } = await startSignedIn({ apiOrigins: [service.origin], line });
  broken = true;
  await expect(client.fetch(service.origin)).rejects.toMatchObject({ code: 'network_error', status: 0 });
  expect(client.user).toMatchObject({ email });
  expect(events).toEqual([]);
});

test('leaves off at once when it is aborted before, during the refresh or during the request', async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let holds: 'refresh' | 'data' | undefined = 'refresh';
  const line: Line = async (request, pass) => {
    if (holds && request.url.includes(holds)) {
      await Promise.race([held, new Promise((_, reject) => request.signal.addEventListener('abort', reject))]).catch(
        () => {},
      );
    }
    return pass(request);
  };
  const service = await startService();
  const { client, countOf, email } = await startSignedIn({ apiOrigins: [service.origin], line });
  const url = `${service.origin}/data`;

  const before = client.fetch(url, { signal: AbortSignal.abort(new Error('before')) });
  await expect(before).rejects.toThrow('before');

  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  vi.setSystemTime(Date.now() + 3_600_000);
  const during = new AbortController();
  const [aborted, other] = [client.fetch(url, { signal: during.signal }), client.fetch(url)];
  await vi.waitFor(() => expect(countOf('/v1/auth/refresh')).toBe(1));
  during.abort(new Error('during'));
  await expect(aborted).rejects.toThrow('during');
  release();
  expect((await other).status).toBe(200);
  expect(countOf('/v1/auth/refresh')).toBe(1);
  expect(service.seen).toHaveLength(1);

  holds = 'data';
  const last = new AbortController();
  const sent = client.fetch(url, { signal: last.signal });
  last.abort(new Error('after'));
  await expect(sent).rejects.toThrow('after');
  expect(client.user).toMatchObject({ email });
});

test('asks Gatehouse behind a path, where a proxy has put it', async () => {
  const { client, calls } = await startSignedIn();
  expect(calls).toEqual([]);
  const seen: string[] = [];
  const { createClient } = await import('../src/index.js');
  const behind = createClient({
    baseUrl: 'https://app.example.com/gatehouse/',
    tokenStore: { getItem: () => 'token', setItem: () => {}, removeItem: () => {} },
    fetch: async (input) => {
      seen.push(String(input));
      throw new TypeError('not there');
    },
  });
  onTestFinished(() => behind.close());
  await behind.ready;
  expect(seen).toEqual(['https://app.example.com/gatehouse/v1/auth/refresh']);
  expect(behind.user).toBeUndefined();
  expect(client.user).not.toBeUndefined();
});
