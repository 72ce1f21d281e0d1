import { expect, onTestFinished, test, vi } from 'vitest';
import { sql } from '../../test/support/database.js';
import { GatehouseError } from '../src/index.js';
import { type Line, startSignedIn } from './support.js';

const isRefresh = ({ url }: Request) => url.endsWith('/v1/auth/refresh');
const isLogout = ({ url }: Request) => url.endsWith('/v1/auth/logout');
const answer = (status: number, headers: Record<string, string> = {}, body = '{}') =>
  new Response(status === 204 ? null : body, { status, headers });

/** A line that can be changed while the client uses it. */
function switchable() {
  const passes: Line = (request, pass) => pass(request);
  const state = { line: passes };
  const line: Line = (request, pass) => state.line(request, pass);
  return {
    line,
    /** Answers requests of a kind in the place of Gatehouse, or throws. */
    breakFor(isIt: (request: Request) => boolean, instead: Line) {
      state.line = (request, pass) => (isIt(request) ? instead(request, pass) : pass(request));
    },
    mend() {
      state.line = passes;
    },
  };
}

function useClock() {
  vi.useFakeTimers({ toFake: ['performance', 'Date', 'setTimeout', 'clearTimeout'], shouldAdvanceTime: false });
  onTestFinished(() => void vi.useRealTimers());
}

/** Lets what is due happen, over real sockets, while the clock of the client goes on. */
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

const unreachable: Line = async () => {
  throw new TypeError('fetch failed');
};

test.each([
  ['no network', unreachable, 'network_error', 0],
  ['429', async () => answer(429, { 'retry-after': '7' }, '{"code":"rate_limited"}'), 'rate_limited', 429],
  ['500 without a body of ours', async () => answer(500, {}, '<h1>Oops</h1>'), 'unexpected_answer', 500],
  ['503', async () => answer(503, { 'retry-after': '1' }, '{"code":"unavailable"}'), 'unavailable', 503],
  ['a page of a captive portal', async () => answer(200, {}, '<html>Buy wifi</html>'), 'unexpected_answer', 200],
  ['JSON of something else', async () => answer(200, {}, '{"hello":"world"}'), undefined, undefined],
  ['a 401 of a proxy', async () => answer(401, {}, '<h1>Unauthorized</h1>'), 'unexpected_answer', 401],
  ['a 401 with a code of something else', async () => answer(401, {}, '{"code":"session_odd"}'), 'session_odd', 401],
  [
    'an answer that breaks off',
    async () => new Response(new ReadableStream({ pull: (c) => c.error(new Error('cut')) })),
    'unexpected_answer',
    200,
  ],
] satisfies [string, Line, string | undefined, number | undefined][])(
  'keeps the person signed in through %s, and goes on afterwards',
  async (_name, instead, code, status) => {
    const { line, breakFor, mend } = switchable();
    const { client, email, events } = await startSignedIn({ line });
    breakFor(isRefresh, instead);
    const failure = await client.refresh().catch((error) => error);
    expect(failure).toBeInstanceOf(Error);
    if (code !== undefined) expect(failure).toMatchObject({ code, status });
    expect(client.user).toMatchObject({ email });
    expect(await client.getAccessToken()).toMatch(/^eyJ/);
    expect(events).toEqual([]);
    mend();
    expect(await client.refresh()).toMatchObject({ email });
    expect(events.map(({ type }) => type)).toEqual(['refreshed']);
  },
);

test('gets the same successor when the answer of a refresh was lost', async () => {
  const { line, breakFor, mend } = switchable();
  const { client, sessionId, stored, events } = await startSignedIn({ line });
  breakFor(isRefresh, async (request, passOn) => {
    await passOn(request);
    throw new TypeError('terminated');
  });
  const before = stored.get('gatehouse.refresh_token');
  await expect(client.refresh()).rejects.toMatchObject({ code: 'network_error' });
  expect(stored.get('gatehouse.refresh_token')).toBe(before);
  mend();
  await client.refresh();
  const [row] = await sql('SELECT generation, ended_at FROM sessions WHERE id = $1', [sessionId]);
  expect(row).toEqual({ generation: 2, ended_at: null });
  expect(events.map(({ type }) => type)).toEqual(['refreshed']);
});

test('waits longer after each failure, and as long as Retry-After asks, before it asks again by itself', async () => {
  const { line, breakFor, mend } = switchable();
  const { client, countOf, events } = await startSignedIn({ line });
  useClock();
  breakFor(isRefresh, unreachable);
  await client.refresh().catch(() => {});
  await pass(3_600_000);
  // An hour, of which the token was good for nine minutes, at 20 to 30 s a time.
  expect(countOf('/v1/auth/refresh')).toBeGreaterThan(90);
  expect(countOf('/v1/auth/refresh')).toBeLessThan(200);
  breakFor(isRefresh, async () => answer(503, { 'retry-after': '120' }, '{"code":"unavailable"}'));
  await pass(60_000);
  const asked = countOf('/v1/auth/refresh');
  await pass(59_000);
  expect(countOf('/v1/auth/refresh')).toBe(asked);
  await expect(client.getAccessToken()).rejects.toMatchObject({ code: 'unavailable', retryAfter: 120 });
  expect(countOf('/v1/auth/refresh')).toBe(asked);
  expect(events).toEqual([]);
  mend();
  vi.useRealTimers();
  await client.refresh();
  expect(client.user).not.toBeNull();
});

test('refreshes a while before the token expires, without being asked', async () => {
  useClock();
  const { client, countOf } = await startSignedIn();
  const first = await client.getAccessToken();
  await pass(539_000);
  expect(countOf('/v1/auth/refresh')).toBe(0);
  await pass(2_000);
  await vi.waitFor(() => expect(countOf('/v1/auth/refresh')).toBe(1));
  vi.useRealTimers();
  await vi.waitFor(async () => expect(await client.getAccessToken()).not.toBe(first));
});

test.each([
  ['the monotonic clock stood still in sleep', () => vi.setSystemTime(Date.now() + 3_600_000)],
  [
    'the wall clock was set back',
    async () => {
      vi.setSystemTime(Date.now() - 86_400_000);
      // Not past the time-outs of what runs in this very process.
      await pass(539_500);
      await pass(1_000);
    },
  ],
])('knows that its token is old though %s', async (_name, happen) => {
  useClock();
  const { client, countOf } = await startSignedIn();
  const first = await client.getAccessToken();
  await happen();
  expect(await client.getAccessToken()).not.toBe(first);
  expect(countOf('/v1/auth/refresh')).toBe(1);
});

test('shares one refresh among all that need it', async () => {
  const { client, baseUrl, countOf, calls } = await startSignedIn();
  const old = await client.getAccessToken();
  useClock();
  vi.setSystemTime(Date.now() + 3_600_000);
  const answers = await Promise.all(Array.from({ length: 20 }, () => client.fetch(`${baseUrl}/v1/sessions`)));
  expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
  expect(countOf('/v1/auth/refresh')).toBe(1);
  expect(calls.filter(({ token }) => token === old)).toEqual([]);
});

test('signs out here at once when Gatehouse cannot be told, and tells it later', async () => {
  const { line, breakFor, mend } = switchable();
  const { client, sessionId, events, stored } = await startSignedIn({ line });
  breakFor(isLogout, async () => answer(503, { 'retry-after': '1' }, '{"code":"unavailable"}'));
  await expect(client.logout()).rejects.toMatchObject({ code: 'unavailable' });
  expect(client.user).toBeNull();
  expect(stored.has('gatehouse.refresh_token')).toBe(false);
  expect(events).toEqual([{ type: 'signed_out', reason: 'logout' }]);
  mend();
  const ended = async () => {
    const [row] = await sql('SELECT end_reason FROM sessions WHERE id = $1', [sessionId]);
    expect(row).toEqual({ end_reason: 'logout' });
  };
  await vi.waitFor(ended, { timeout: 10_000, interval: 100 });
  expect(client.user).toBeNull();
});

test('tells Gatehouse of an earlier sign-out before it signs in again', async () => {
  const { line, breakFor, mend } = switchable();
  const { client, sessionId, email } = await startSignedIn({ line });
  breakFor(isLogout, unreachable);
  await client.logout().catch(() => {});
  mend();
  await client.login({ email, password: 'correct horse battery staple' });
  const [row] = await sql('SELECT end_reason FROM sessions WHERE id = $1', [sessionId]);
  expect(row).toEqual({ end_reason: 'logout' });
  expect(client.user).toMatchObject({ email });
});

test('stays signed out when the answer of a refresh comes after signing out', async () => {
  const { line, breakFor } = switchable();
  const { client, events, sessionId } = await startSignedIn({ line });
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  breakFor(isRefresh, async (request, passOn) => {
    const response = await passOn(request);
    await held;
    return response;
  });
  const refreshed = client.refresh();
  await vi.waitFor(async () => {
    const [row] = await sql('SELECT generation FROM sessions WHERE id = $1', [sessionId]);
    expect(row).toEqual({ generation: 2 });
  });
  const loggedOut = client.logout();
  await vi.waitFor(() => expect(client.user).toBeNull());
  release();
  expect(await refreshed).toBeNull();
  await loggedOut;
  expect(client.user).toBeNull();
  expect(await client.getAccessToken()).toBeNull();
  expect(events).toEqual([{ type: 'signed_out', reason: 'logout' }]);
});

test('does not use a new token before its refresh token is safely stored', async () => {
  const stored = new Map<string, string>();
  let fails = false;
  const { client } = await startSignedIn({
    tokenStore: {
      getItem: (key) => stored.get(key) ?? null,
      setItem: (key, value) => {
        if (fails) throw new Error('the keychain is locked');
        stored.set(key, value);
      },
      removeItem: (key) => stored.delete(key),
    },
  });
  const before = await client.getAccessToken();
  fails = true;
  await expect(client.refresh()).rejects.toThrow('the keychain is locked');
  expect(await client.getAccessToken()).toBe(before);
  fails = false;
  await client.refresh();
  expect(await client.getAccessToken()).not.toBe(before);
});

test('lets errors of one listener reach neither the client nor the other listeners', async () => {
  const { client, events } = await startSignedIn();
  const uncaught: unknown[] = [];
  const catchIt = (error: unknown) => uncaught.push(error);
  const others = process.rawListeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', catchIt);
  onTestFinished(() => {
    process.removeAllListeners('uncaughtException');
    for (const listener of others) process.on('uncaughtException', listener as () => void);
  });
  const stop = client.subscribe(() => {
    throw new Error('of the app');
  });
  client.subscribe((event) => events.push(event));
  await client.refresh();
  await vi.waitFor(() => expect(uncaught).toHaveLength(1));
  expect(events).toHaveLength(2);
  stop();
  await client.refresh();
  expect(events).toHaveLength(4);
  expect(uncaught).toHaveLength(1);
});

test('names a refusal so that code can branch on it', () => {
  const error = new GatehouseError({ status: 401, code: 'session_ended', detail: 'Over.' });
  expect({ ...error, message: error.message }).toMatchObject({ status: 401, code: 'session_ended', message: 'Over.' });
});
