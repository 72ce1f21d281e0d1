import { expect, test } from 'vitest';
import { COOKIE, getMe, logIn, refresh, register, sharedTestApp } from '../../support/test-app.js';
import { keyThatSigned, partsOf, signJwt } from './forge.js';
import { bearer, exchange, expectProblem, post, sessionRow } from './support.js';

test.each([
  ['nothing', {}],
  ['a garbage cookie', { cookie: `${COOKIE}=garbage` }],
  ['an empty cookie', { cookie: `${COOKIE}=` }],
  ['a forged access token', bearer('x.y.z')],
  ['an Authorization of another scheme', { authorization: 'Basic YTpi' }],
  ['a Bearer header that holds no token', { authorization: 'Bearer no token at all' }],
  ['an empty Bearer header', { authorization: 'Bearer ' }],
])('answers 204 and clears the cookie when the request names no session: %s', async (_name, headers) => {
  const { app } = await sharedTestApp();
  const response = await post(app, '/v1/auth/logout', undefined, { headers });
  expect(response.statusCode).toBe(204);
  expect(response.headers['set-cookie']).toMatch(`${COOKIE}=; `);
});

test.each([
  ['no Bearer header', {}],
  ['a Bearer header that holds no token', { authorization: 'Bearer no token at all' }],
  ['an access token that is not ours', bearer('x.y.z')],
])('ends the session of the cookie beside %s', async (_name, headers) => {
  const { app } = await sharedTestApp();
  const person = await register(app);
  const cookies = { [COOKIE]: person.refreshToken };
  expect((await post(app, '/v1/auth/logout', undefined, { cookies, headers })).statusCode).toBe(204);
  expect(await sessionRow(person.sessionId)).toMatchObject({ end_reason: 'logout' });
  expectProblem(await getMe(app, person.accessToken), 401, 'session_ended');
});

test('ends the session of an access token that has long expired', async () => {
  const { app } = await sharedTestApp();
  const person = await register(app);
  const { header, claims } = partsOf(person.accessToken);
  const expired = signJwt(header, { ...claims, iat: 1_000, exp: 2_000 }, await keyThatSigned(person.accessToken));
  expect((await post(app, '/v1/auth/logout', undefined, { headers: bearer(expired) })).statusCode).toBe(204);
  expectProblem(await refresh(app, person.refreshToken), 401, 'session_ended');
});

test('ends a body session by the token in the body, also by one that was replaced', async () => {
  const { app } = await sharedTestApp();
  const person = await register(app, { transport: 'body' });
  await post(app, '/v1/auth/refresh', { refresh_token: person.refreshToken });
  expect((await post(app, '/v1/auth/logout', { refresh_token: person.refreshToken })).statusCode).toBe(204);
  expect(await sessionRow(person.sessionId)).toMatchObject({ end_reason: 'logout', generation: 2 });
});

test('ends every session that one request names: by cookie, by body and by Bearer', async () => {
  const { app } = await sharedTestApp();
  const native = await register(app, { transport: 'body' });
  const [browser, other] = [await logIn(app, native.email), await logIn(app, native.email)];
  const bystander = await logIn(app, native.email);
  const response = await post(
    app,
    '/v1/auth/logout',
    { refresh_token: native.refreshToken },
    { cookies: { [COOKIE]: browser.refreshToken }, headers: bearer(other.accessToken) },
  );
  expect(response.statusCode).toBe(204);
  const reasons = await Promise.all([native, browser, other, bystander].map((one) => sessionRow(one.sessionId)));
  expect(reasons.map(({ end_reason }) => end_reason)).toEqual(['logout', 'logout', 'logout', null]);
});

test('keeps the first reason when a session is ended twice', async () => {
  const { app } = await sharedTestApp();
  const person = await register(app);
  await app.inject({ method: 'DELETE', url: '/v1/sessions', headers: bearer(person.accessToken) });
  const before = await sessionRow(person.sessionId);
  const cookies = { [COOKIE]: person.refreshToken };
  expect((await post(app, '/v1/auth/logout', undefined, { cookies })).statusCode).toBe(204);
  expect(await sessionRow(person.sessionId)).toEqual(before);
});

const TWICE: [string, (token: string) => string[]][] = [
  ['in one header', (token) => [`Cookie: ${COOKIE}=${token}; ${COOKIE}=planted`]],
  ['in one header, the planted one first', (token) => [`Cookie: ${COOKIE}=planted; a=b; ${COOKIE}=${token}`]],
  ['in two headers', (token) => [`Cookie: ${COOKIE}=${token}`, `Cookie: ${COOKIE}=planted`]],
  ['with the same value', (token) => [`Cookie: ${COOKIE}=${token};${COOKIE}=${token}`]],
  ['with spaces about the name', (token) => [`Cookie: ${COOKIE} =planted; \t${COOKIE}=${token}`]],
];

test.each(TWICE)('answers 400 to refresh and logout when the cookie comes twice: %s', async (_name, cookies) => {
  const { app } = await sharedTestApp();
  const person = await register(app);
  for (const url of ['/v1/auth/refresh', '/v1/auth/logout']) {
    const lines = [`POST ${url} HTTP/1.1`, 'Host: x', 'Connection: close', 'Content-Length: 0'];
    const answer = await exchange(app, [...lines, ...cookies(person.refreshToken), '', ''].join('\r\n'));
    expect({ status: answer.status, code: JSON.parse(answer.body).code }).toEqual({
      status: 400,
      code: 'malformed_request',
    });
    expect(answer.headers['set-cookie']).toBeUndefined();
  }
  expect(await sessionRow(person.sessionId)).toMatchObject({ generation: 1, ended_at: null });
});

test.each(['/v1/auth/refresh', '/v1/auth/logout'])(
  'answers 400 to %s when the cookie comes twice, also beside a token in the body',
  async (url) => {
    const { app } = await sharedTestApp();
    const native = await register(app, { transport: 'body' });
    const headers = { cookie: `${COOKIE}=one; ${COOKIE}=other` };
    const response = await post(app, url, { refresh_token: native.refreshToken }, { headers });
    expectProblem(response, 400, 'malformed_request');
    expect(await sessionRow(native.sessionId)).toMatchObject({ generation: 1, ended_at: null });
  },
);
