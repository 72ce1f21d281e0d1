import type { InjectOptions } from 'fastify';
import { expect, test } from 'vitest';
import { sql } from '../../support/database.js';
import { freshEmail, PASSWORD, register, sharedTestApp } from '../../support/test-app.js';
import { bearer, expectProblem, postRaw } from './support.js';

const REGISTER = '/v1/auth/register';
const LOGIN = '/v1/auth/login';
const REFRESH = '/v1/auth/refresh';
const LOGOUT = '/v1/auth/logout';
const TAKE_A_BODY = [REGISTER, LOGIN, REFRESH, LOGOUT];

test.each([
  ['GET', '/'],
  ['GET', '/nothing/here'],
  ['POST', '/v1/auth/login/'],
  ['POST', '/V1/auth/login'],
  ['POST', '//v1/auth/login'],
  ['GET', '/v1/me/..'],
  ['GET', '/v1/auth'],
  ['DELETE', '/v1/sessions/a/b'],
  ['PUT', '/__proto__'],
  ['GET', '/docs'],
  ['GET', '/openapi.json'],
  ['GET', '/metrics'],
] as const)('answers 404 to %s %s', async (method, url) => {
  const { app } = await sharedTestApp();
  expectProblem(
    await app.inject({ method, url, payload: method === 'GET' ? undefined : '{' } as InjectOptions),
    404,
    'not_found',
  );
});

test.each([
  ['GET', REGISTER, 'POST'],
  ['PUT', REGISTER, 'POST'],
  ['HEAD', LOGIN, 'POST'],
  ['DELETE', LOGIN, 'POST'],
  ['PATCH', REFRESH, 'POST'],
  ['GET', LOGOUT, 'POST'],
  ['POST', '/v1/me', 'GET, HEAD, DELETE'],
  ['PATCH', '/v1/me', 'GET, HEAD, DELETE'],
  ['POST', '/v1/sessions', 'GET, HEAD, DELETE'],
  ['PUT', '/v1/sessions', 'GET, HEAD, DELETE'],
  ['HEAD', '/v1/me/export', 'GET'],
  ['GET', '/v1/sessions/0199e0a4-9b2f-7a10-8c4d-2e7f60b1a9d3', 'DELETE'],
  ['POST', '/.well-known/jwks.json', 'GET, HEAD'],
  ['POST', '/livez', 'GET, HEAD'],
  ['DELETE', '/readyz', 'GET, HEAD'],
  ['TRACE', '/v1/me', 'GET, HEAD, DELETE'],
  ['OPTIONS', '/v1/me', 'GET, HEAD, DELETE'],
  ['PROPFIND', '/v1/me', 'GET, HEAD, DELETE'],
] as const)('answers 405 with Allow to %s %s', async (method, url, allowed) => {
  const { app } = await sharedTestApp();
  const response = await app.inject({ method, url } as InjectOptions);
  expect(response.statusCode).toBe(405);
  expect(String(response.headers.allow).split(', ').sort()).toEqual(allowed.split(', ').sort());
  if (method === 'HEAD') expect(response.body).toBe('');
  else expectProblem(response, 405, 'method_not_allowed');
});

test.each([
  ['text', 'text/plain', 'x'.repeat(100)],
  ['broken JSON', 'application/json', '{'],
  ['a megabyte', 'application/json', `"${'x'.repeat(1_000_000)}"`],
])('answers 405 before it reads a body of %s', async (_name, type, payload) => {
  const { app } = await sharedTestApp();
  const response = await app.inject({ method: 'PUT', url: LOGIN, payload, headers: { 'content-type': type } });
  expectProblem(response, 405, 'method_not_allowed');
});

test('answers HEAD as GET, without the body', async () => {
  const { app } = await sharedTestApp();
  const { accessToken } = await register(app);
  for (const [url, headers, status] of [
    ['/v1/me', bearer(accessToken), 200],
    ['/v1/me', {}, 401],
    ['/nothing', {}, 404],
    ['/.well-known/jwks.json', {}, 200],
    ['/livez', {}, 200],
  ] as const) {
    const [head, get] = await Promise.all([
      app.inject({ method: 'HEAD', url, headers }),
      app.inject({ method: 'GET', url, headers }),
    ]);
    expect({ url, status: head.statusCode, body: head.body }).toEqual({ url, status, body: '' });
    for (const name of ['content-type', 'content-length', 'cache-control', 'www-authenticate']) {
      expect(head.headers[name], `${url} ${name}`).toBe(get.headers[name]);
    }
  }
});

test.each(TAKE_A_BODY)('answers 413 to a body over the limit at %s, also when its length is not told', async (url) => {
  const { app } = await sharedTestApp();
  const body = JSON.stringify({ email: freshEmail(), password: 'x'.repeat(20_000) });
  expectProblem(await postRaw(app, url, body), 413, 'payload_too_large');
  const lying = await postRaw(app, url, body, { 'content-length': '10' });
  expect([400, 413]).toContain(lying.statusCode);
});

test.each([
  ['text/plain'],
  ['text/plain;charset=UTF-8'],
  ['text/plain; application/json'],
  ['application/x-www-form-urlencoded'],
  ['multipart/form-data; boundary=x'],
  ['application/jsonp'],
  ['application/json-patch+json'],
  ['application/vnd.api+json'],
  ['text/json'],
  ['application/xml'],
  ['application/json/x'],
  ['*/*'],
  ['json'],
  [''],
])('answers 415 to JSON said to be "%s"', async (type) => {
  const { app } = await sharedTestApp();
  const { email } = await register(app);
  for (const url of [REGISTER, LOGIN]) {
    const response = await postRaw(app, url, JSON.stringify({ email, password: PASSWORD }), { 'content-type': type });
    expectProblem(response, 415, 'unsupported_media_type');
    expect(response.headers['set-cookie']).toBeUndefined();
  }
});

test('answers 415 to a form, to multipart, and to a body of no type at all', async () => {
  const { app } = await sharedTestApp();
  const form = `email=${freshEmail()}&password=${PASSWORD}`;
  const multipart = '--x\r\nContent-Disposition: form-data; name="email"\r\n\r\nada@example.com\r\n--x--\r\n';
  for (const [payload, headers] of [
    [form, { 'content-type': 'application/x-www-form-urlencoded' }],
    [multipart, { 'content-type': 'multipart/form-data; boundary=x' }],
    [Buffer.from(form), {}],
  ] as const) {
    const response = await app.inject({ method: 'POST', url: LOGIN, payload, headers });
    expectProblem(response, 415, 'unsupported_media_type');
  }
});

test.each([
  'application/json',
  'Application/JSON',
  'application/json; charset=utf-8',
  'application/json;charset=UTF-8',
])('takes JSON said to be "%s"', async (type) => {
  const { app } = await sharedTestApp();
  const body = JSON.stringify({ email: freshEmail(), password: PASSWORD });
  expect((await postRaw(app, REGISTER, body, { 'content-type': type })).statusCode).toBe(201);
});

test.each([
  ['bad percent-encoding', 'GET', '/%'],
  ['bad percent-encoding in a parameter', 'DELETE', '/v1/sessions/%zz'],
  ['invalid UTF-8 in a parameter', 'DELETE', '/v1/sessions/%ff%fe'],
  ['a surrogate in a parameter', 'DELETE', '/v1/sessions/%ed%a0%80'],
  ['NUL in a parameter', 'DELETE', '/v1/sessions/%00'],
  ['NUL in the query', 'DELETE', '/v1/sessions?keep_current=%00'],
] as const)('answers 400 to an address with %s', async (_name, method, url) => {
  const { app } = await sharedTestApp();
  const { accessToken } = await register(app);
  expectProblem(await app.inject({ method, url, headers: bearer(accessToken) }), 400, 'malformed_request');
});

test.each([
  ['an unknown parameter', '/v1/sessions?all=true'],
  ['a truth in capitals', '/v1/sessions?keep_current=TRUE'],
  ['a 1', '/v1/sessions?keep_current=1'],
  ['nothing', '/v1/sessions?keep_current='],
  ['a parameter twice', '/v1/sessions?keep_current=true&keep_current=true'],
  ['brackets', '/v1/sessions?keep_current[]=true'],
  ['__proto__', '/v1/sessions?__proto__=x'],
])('answers 422 to a query with %s, and ends nothing', async (_name, url) => {
  const { app } = await sharedTestApp();
  const { accessToken, userId } = await register(app);
  const response = await app.inject({ method: 'DELETE', url, headers: bearer(accessToken) });
  expectProblem(response, 422, 'validation_failed');
  const live = await sql('SELECT 1 FROM sessions WHERE user_id = $1 AND ended_at IS NULL', [userId]);
  expect(live).toHaveLength(1);
});
