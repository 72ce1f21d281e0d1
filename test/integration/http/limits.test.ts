import type { FastifyInstance, InjectOptions } from 'fastify';
import { Piscina } from 'piscina';
import { afterEach, expect, test, vi } from 'vitest';
import { buildTestApp, COOKIE, freshEmail, PASSWORD, register, sharedTestApp } from '../../support/test-app.js';
import { codeOf, expectProblem, post, postRaw, sessionRow } from './support.js';

afterEach(() => {
  vi.restoreAllMocks();
});

const credentials = () => ({ email: freshEmail(), password: PASSWORD });

/** Asks so often from one place, and tells the statuses. */
async function ask(app: FastifyInstance, times: number, request: InjectOptions): Promise<number[]> {
  const statuses: number[] = [];
  for (let time = 0; time < times; time += 1) statuses.push((await app.inject(request)).statusCode);
  return statuses;
}

test('counts register and login of one address together, and answers 429 past the limit', async () => {
  const hashes = vi.spyOn(Piscina.prototype, 'run');
  const { app, logLines } = await buildTestApp({ RATE_LIMIT_CREDENTIALS_PER_MINUTE: '4' });
  const ada = credentials();
  expect((await post(app, '/v1/auth/register', ada)).statusCode).toBe(201);
  expect((await post(app, '/v1/auth/login', ada)).statusCode).toBe(200);
  expect((await post(app, '/v1/auth/register', credentials())).statusCode).toBe(201);
  expect((await post(app, '/v1/auth/login', { ...ada, password: 'wrong' })).statusCode).toBe(401);
  const hashed = hashes.mock.calls.length;
  for (const url of ['/v1/auth/register', '/v1/auth/login']) {
    const response = await post(app, url, ada);
    expectProblem(response, 429, 'rate_limited');
    expect(response.headers['set-cookie']).toBeUndefined();
  }
  expect(hashes.mock.calls).toHaveLength(hashed);
  expect(logLines().filter(({ code, status }) => code === 'rate_limited' && status === 429)).toHaveLength(2);
});

test('tells what is left in RateLimit headers, and how long to wait in Retry-After', async () => {
  const { app } = await buildTestApp({ RATE_LIMIT_CREDENTIALS_PER_MINUTE: '2' });
  const left: unknown[] = [];
  for (let time = 0; time < 3; time += 1) {
    const { headers, statusCode } = await post(app, '/v1/auth/login', credentials());
    left.push([statusCode, headers['ratelimit-limit'], headers['ratelimit-remaining']]);
    expect(Number(headers['ratelimit-reset'])).toBeGreaterThan(50);
    expect(Number(headers['ratelimit-reset'])).toBeLessThanOrEqual(60);
    expect(headers['retry-after']).toEqual(statusCode === 429 ? headers['ratelimit-reset'] : undefined);
  }
  expect(left).toEqual([
    [401, '2', '1'],
    [401, '2', '0'],
    [429, '2', '0'],
  ]);
});

test('counts bad and refused requests too: broken JSON, foreign pages, wrong types', async () => {
  const { app } = await buildTestApp({ RATE_LIMIT_CREDENTIALS_PER_MINUTE: '3' });
  expect((await postRaw(app, '/v1/auth/login', '{')).statusCode).toBe(400);
  const headers = { origin: 'https://evil.example' };
  expect((await post(app, '/v1/auth/login', credentials(), { headers })).statusCode).toBe(403);
  expect((await postRaw(app, '/v1/auth/register', 'x', { 'content-type': 'text/plain' })).statusCode).toBe(415);
  expectProblem(await post(app, '/v1/auth/login', credentials()), 429, 'rate_limited');
});

test.each<[string, InjectOptions, number]>([
  ['reading', { url: '/v1/me' }, 401],
  ['the keys', { url: '/.well-known/jwks.json' }, 200],
  ['refresh', { method: 'POST', url: '/v1/auth/refresh' }, 401],
  ['logout', { method: 'POST', url: '/v1/auth/logout' }, 204],
  ['an address that is not there', { url: '/nothing' }, 404],
  ['ever other addresses that are not there', { url: '/nothing/RANDOM' }, 404],
  ['a method that is not answered', { method: 'PUT', url: '/v1/me' }, 405],
  [
    'a foreign page with the cookie',
    { method: 'POST', url: '/v1/auth/refresh', headers: { origin: 'null', cookie: `${COOKIE}=x` } },
    403,
  ],
])('limits all requests of one address: %s', async (_name, request, status) => {
  const { app } = await buildTestApp({ RATE_LIMIT_PER_MINUTE: '3' });
  const statuses: number[] = [];
  for (let time = 0; time < 5; time += 1) {
    const url = String(request.url).replace('RANDOM', crypto.randomUUID());
    const response = await app.inject({ ...request, url });
    statuses.push(response.statusCode);
    if (response.statusCode === 429) expectProblem(response, 429, 'rate_limited');
  }
  expect(statuses).toEqual([status, status, status, 429, 429]);
});

test('counts all addresses of the service together, and sign-in on its own', async () => {
  const { app } = await buildTestApp({ RATE_LIMIT_PER_MINUTE: '2', RATE_LIMIT_CREDENTIALS_PER_MINUTE: '2' });
  await app.inject('/v1/me');
  await app.inject('/nothing');
  for (const url of ['/v1/me', '/nothing', '/.well-known/jwks.json']) {
    expectProblem(await app.inject(url), 429, 'rate_limited');
  }
  expect((await post(app, '/v1/auth/register', credentials())).statusCode).toBe(201);
  expect((await post(app, '/v1/auth/login', credentials())).statusCode).toBe(401);
  for (const url of ['/v1/auth/login', '/v1/auth/register']) {
    expectProblem(await post(app, url, credentials()), 429, 'rate_limited');
  }
});

test('limits sign-in by the tighter of the two limits', async () => {
  const { app } = await buildTestApp({ RATE_LIMIT_PER_MINUTE: '100', RATE_LIMIT_CREDENTIALS_PER_MINUTE: '2' });
  const login = { method: 'POST', url: '/v1/auth/login', payload: credentials() } as const;
  expect(await ask(app, 3, login)).toEqual([401, 401, 429]);
  expect((await app.inject('/v1/me')).statusCode).toBe(401);
});

test('never limits the probes', async () => {
  const { app } = await buildTestApp({ RATE_LIMIT_PER_MINUTE: '2' });
  for (const url of ['/livez', '/readyz']) expect(await ask(app, 10, { url })).toEqual(Array(10).fill(200));
  expect(await ask(app, 3, { url: '/v1/me' })).toEqual([401, 401, 429]);
  expect((await app.inject('/readyz')).statusCode).toBe(200);
});

test('does not limit at all when both limits are 0, and sends no RateLimit headers', async () => {
  const { app } = await buildTestApp({ RATE_LIMIT_PER_MINUTE: '0', RATE_LIMIT_CREDENTIALS_PER_MINUTE: '0' });
  const responses = await Promise.all(Array.from({ length: 150 }, () => app.inject('/v1/me')));
  expect(new Set(responses.map(({ statusCode }) => statusCode))).toEqual(new Set([401]));
  const logins = await Promise.all(Array.from({ length: 50 }, () => post(app, '/v1/auth/login', credentials())));
  expect(new Set(logins.map(({ statusCode }) => statusCode))).toEqual(new Set([401]));
  for (const response of [...responses, ...logins]) expect(response.headers['ratelimit-limit']).toBeUndefined();
});

test('signs nobody out: a refresh that is limited leaves cookie and session alone', async () => {
  const { app } = await buildTestApp({ RATE_LIMIT_PER_MINUTE: '1' });
  const { app: elsewhere } = await buildTestApp();
  const { refreshToken, sessionId } = await register(elsewhere);
  await app.inject('/v1/me');
  const response = await post(app, '/v1/auth/refresh', undefined, { cookies: { [COOKIE]: refreshToken } });
  expectProblem(response, 429, 'rate_limited');
  expect(response.headers['set-cookie']).toBeUndefined();
  expect(await sessionRow(sessionId)).toMatchObject({ generation: 1, ended_at: null });
});

/** Whether what comes from two places is counted as one. The limit is one request. */
async function countedAsOne(environment: NodeJS.ProcessEnv, one: InjectOptions, other: InjectOptions) {
  const { app } = await buildTestApp({ RATE_LIMIT_PER_MINUTE: '1', ...environment });
  expect((await app.inject({ url: '/v1/me', ...one })).statusCode).toBe(401);
  return codeOf(await app.inject({ url: '/v1/me', ...other })) === 'rate_limited';
}

test.each([
  ['one IPv4 address', '203.0.113.7', '203.0.113.7', true],
  ['two IPv4 addresses', '203.0.113.7', '203.0.113.8', false],
  ['two addresses of one /64', '2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', true],
  ['one address in two spellings', '2001:DB8:1:2:0:0:0:1', '2001:db8:1:2::9', true],
  ['addresses of two /64', '2001:db8:1:2::1', '2001:db8:1:3::1', false],
  ['two IPv4 addresses that came over IPv6', '::ffff:203.0.113.7', '::ffff:203.0.113.8', false],
  ['an IPv4 address, plain and over IPv6', '203.0.113.7', '::ffff:203.0.113.7', true],
  ['two link-local addresses of one interface', 'fe80::1%eth0', 'fe80::2%eth0', true],
])('counts %s: %s and %s as one: %j', async (_name, one, other, same) => {
  expect(await countedAsOne({}, { remoteAddress: one }, { remoteAddress: other })).toBe(same);
});

test.each([
  ['X-Forwarded-For', { 'x-forwarded-for': '198.51.100.1' }, { 'x-forwarded-for': '198.51.100.2' }],
  ['X-Real-IP', { 'x-real-ip': '198.51.100.1' }, { 'x-real-ip': '198.51.100.2' }],
  ['Forwarded', { forwarded: 'for=198.51.100.1' }, { forwarded: 'for=198.51.100.2' }],
  ['CF-Connecting-IP', { 'cf-connecting-ip': '198.51.100.1' }, { 'cf-connecting-ip': '198.51.100.2' }],
  ['Host', { host: 'a.example' }, { host: 'b.example' }],
  ['X-Forwarded-Host', { 'x-forwarded-host': 'a.example' }, { 'x-forwarded-host': 'b.example' }],
  ['User-Agent', { 'user-agent': 'a' }, { 'user-agent': 'b' }],
])('is not fooled by %s when there is no trusted proxy', async (_name, one, other) => {
  expect(await countedAsOne({}, { headers: one }, { headers: other })).toBe(true);
});

test.each([
  ['two clients behind the proxy', '203.0.113.1', '203.0.113.2', false],
  ['one client behind the proxy', '203.0.113.1', '203.0.113.1', true],
  ['one client that puts addresses before its own', '198.51.100.1, 203.0.113.1', '198.51.100.2, 203.0.113.1', true],
  ['one client behind two proxies', '203.0.113.1, 10.0.0.5', '203.0.113.1, 10.0.0.6', true],
  ['two addresses of one /64 behind the proxy', '2001:db8::1', '2001:db8::2', true],
])('counts by X-Forwarded-For of a trusted proxy: %s (%s and %s) as one: %j', async (_name, one, other, same) => {
  const environment = { TRUSTED_PROXIES: '127.0.0.1,10.0.0.0/8' };
  const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });
  expect(await countedAsOne(environment, from(one), from(other))).toBe(same);
});

test('does not believe X-Forwarded-For of anybody but the trusted proxy', async () => {
  const from = (address: string) => ({ remoteAddress: '203.0.113.99', headers: { 'x-forwarded-for': address } });
  expect(await countedAsOne({ TRUSTED_PROXIES: '127.0.0.1' }, from('198.51.100.1'), from('198.51.100.2'))).toBe(true);
});

test.each([
  ['unknown', null],
  ['_hidden', null],
  ['203.0.113.7:41234', '203.0.113.7'],
  ['[2001:db8::7]:41234', '2001:db8::7'],
  ['"; DROP TABLE sessions; --', null],
  ['999.1.1.1', null],
  ['', '127.0.0.1'],
  ['203.0.113.7', '203.0.113.7'],
])('signs people in whatever the proxy calls their address: %j', async (forwarded, stored) => {
  const { app } = await sharedTestApp({ TRUSTED_PROXIES: '127.0.0.1', RATE_LIMIT_CREDENTIALS_PER_MINUTE: '100' });
  const headers = { 'x-forwarded-for': forwarded };
  const response = await post(app, '/v1/auth/register', credentials(), { headers });
  expect(response.statusCode).toBe(201);
  // Where an address can be read, it may be kept; what is none is not.
  expect([stored, null]).toContain((await sessionRow(response.json().session.id)).ip);
});

test.each(['fe80::1%eth0', '::ffff:203.0.113.7', '::1'])('signs people in who come from %s', async (remoteAddress) => {
  const { app } = await sharedTestApp({ RATE_LIMIT_CREDENTIALS_PER_MINUTE: '100' });
  const response = await post(app, '/v1/auth/register', credentials(), { remoteAddress });
  expect(response.statusCode).toBe(201);
});

test('forgets after the window: the same address may ask again', async () => {
  const { app } = await buildTestApp({ RATE_LIMIT_PER_MINUTE: '1' });
  expect(await ask(app, 2, { url: '/v1/me' })).toEqual([401, 429]);
  const later = Date.now() + 60_001;
  vi.spyOn(Date, 'now').mockReturnValue(later);
  expect((await app.inject('/v1/me')).statusCode).toBe(401);
});
