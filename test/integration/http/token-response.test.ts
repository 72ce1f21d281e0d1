import type { LightMyRequestResponse as Response } from 'fastify';
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { expect, test } from 'vitest';
import { freshDatabaseUrl, sql } from '../../support/database.js';
import {
  buildTestApp,
  COOKIE,
  cookieOf,
  freshEmail,
  getMe,
  ISSUER,
  logIn,
  PASSWORD,
  readTokens,
  refresh,
  register,
  sharedTestApp,
} from '../../support/test-app.js';
import { expectProblem, post, sessionRow } from './support.js';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

async function allThree(environment: NodeJS.ProcessEnv = {}, more: object = {}) {
  const { app } = await sharedTestApp(environment);
  const credentials = { email: freshEmail(), password: PASSWORD, ...more };
  const registered = await post(app, '/v1/auth/register', credentials);
  const loggedIn = await post(app, '/v1/auth/login', credentials);
  const [cookie] = loggedIn.cookies;
  const token = loggedIn.json().refresh_token;
  const refreshed = await post(app, '/v1/auth/refresh', token && { refresh_token: token }, {
    cookies: cookie ? { [cookie.name]: cookie.value } : {},
  });
  return { app, email: credentials.email, responses: [registered, loggedIn, refreshed] as const };
}

test('has exactly the members of the contract, and the refresh token in none of them', async () => {
  const { email, responses } = await allThree();
  expect(responses.map(({ statusCode }) => statusCode)).toEqual([201, 200, 200]);
  for (const response of responses) {
    const body = response.json();
    expect(body).toEqual({
      access_token: expect.stringMatching(/^eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+$/),
      token_type: 'Bearer',
      expires_in: 600,
      user: { id: expect.stringMatching(ID), email, email_verified: false, created_at: expect.stringMatching(TIME) },
      session: {
        id: expect.stringMatching(ID),
        created_at: expect.stringMatching(TIME),
        idle_expires_at: expect.stringMatching(TIME),
        expires_at: expect.stringMatching(TIME),
      },
    });
    expect(response.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(response.headers['cache-control']).toBe('no-store');
    const token = cookieOf(response) ?? expect.unreachable();
    expect(response.body).not.toContain(token);
    expect(JSON.stringify(decodeJwt(body.access_token))).not.toContain(token);
    const { created_at, idle_expires_at, expires_at } = body.session;
    expect(Date.parse(expires_at) - Date.parse(created_at)).toBe(7_776_000_000);
    expect(Date.parse(idle_expires_at)).toBeLessThan(Date.parse(expires_at));
  }
});

/** The whole Set-Cookie line of the refresh token; signing in sets another cookie beside it. */
function refreshCookieOf(response: Response): string {
  const lines = [response.headers['set-cookie'] ?? []].flat();
  return lines.find((line) => /^(__Host-)?refresh_token=/.test(line)) ?? '';
}

test.each([
  ['strict', 'Strict'],
  ['lax', 'Lax'],
  ['none', 'None'],
])(
  'sets the cookie __Host-refresh_token with exactly its attributes, SameSite=%s',
  async (COOKIE_SAME_SITE, written) => {
    const { responses } = await allThree({ COOKIE_SAME_SITE });
    for (const response of responses) {
      const cookie = refreshCookieOf(response);
      const [pair, ...attributes] = cookie.split('; ');
      expect(pair).toMatch(/^__Host-refresh_token=[\w-]{72}$/);
      expect(attributes.sort()).toEqual(['HttpOnly', 'Max-Age=1209600', 'Path=/', `SameSite=${written}`, 'Secure']);
    }
  },
);

test.each([
  ['strict', 'Strict'],
  ['lax', 'Lax'],
])('sets the cookie refresh_token without Secure on plain http, SameSite=%s', async (COOKIE_SAME_SITE, written) => {
  const ISSUER_URL = 'http://localhost:3000';
  const { app, responses } = await allThree({ COOKIE_SECURE: 'false', ISSUER_URL, COOKIE_SAME_SITE });
  for (const response of responses) {
    const [pair, ...attributes] = refreshCookieOf(response).split('; ');
    expect(pair).toMatch(/^refresh_token=[\w-]{72}$/);
    expect(attributes.sort()).toEqual(['HttpOnly', 'Max-Age=1209600', 'Path=/', `SameSite=${written}`]);
  }
  // The cookie of the secure service is another cookie.
  const value = responses[2].cookies.find(({ name }) => name === 'refresh_token')?.value ?? '';
  expectProblem(await refresh(app, value), 401, 'refresh_token_missing');
});

test('clears the cookie with the attributes it was set with, at logout only', async () => {
  const { app, responses } = await allThree();
  const response = await post(app, '/v1/auth/logout', undefined, {
    cookies: { [COOKIE]: cookieOf(responses[2]) ?? '' },
  });
  expect(response.statusCode).toBe(204);
  expect(response.body).toBe('');
  expect(response.headers['cache-control']).toBe('no-store');
  expect(response.headers['clear-site-data']).toBeUndefined();
  const attributes = String(response.headers['set-cookie']).split('; ').sort();
  expect(attributes).toEqual([`${COOKIE}=`, 'HttpOnly', 'Max-Age=0', 'Path=/', 'SameSite=Strict', 'Secure'].sort());
});

test('tells the browser to forget this site at logout only if that is configured', async () => {
  const { app } = await buildTestApp({ CLEAR_SITE_DATA_ON_LOGOUT: 'true' });
  const response = await post(app, '/v1/auth/logout');
  expect(response.headers['clear-site-data']).toBe('"cache", "storage"');
});

test.each([
  ['idle comes first', '600', '6000', 600],
  ['absolute comes first', '6000', '6000', 6000],
])('lets the cookie live until the earlier of idle and absolute: %s', async (_name, idle, absolute, maxAge) => {
  const environment = { REFRESH_IDLE_SECONDS: idle, REFRESH_ABSOLUTE_SECONDS: absolute, ACCESS_TOKEN_SECONDS: '60' };
  const { app } = await buildTestApp(environment);
  const person = await register(app);
  await sql("UPDATE sessions SET expires_at = least(expires_at, now() + interval '6000 seconds') WHERE id = $1", [
    person.sessionId,
  ]);
  const cookie = (await refresh(app, person.refreshToken)).cookies.find(({ name }) => name === COOKIE);
  expect(cookie?.maxAge).toBeGreaterThanOrEqual(maxAge - 2);
  expect(cookie?.maxAge).toBeLessThanOrEqual(maxAge);
});

test('never lets an access token outlive its session', async () => {
  const { app } = await sharedTestApp();
  const person = await register(app);
  await sql(
    "UPDATE sessions SET idle_expires_at = now() + interval '30 seconds', expires_at = now() + interval '30 seconds' WHERE id = $1",
    [person.sessionId],
  );
  const { access_token, expires_in, session } = (await refresh(app, person.refreshToken)).json();
  const { exp = 0, iat = 0 } = decodeJwt(access_token);
  expect(expires_in).toBe(exp - iat);
  expect(expires_in).toBeLessThanOrEqual(30);
  expect(expires_in).toBeGreaterThanOrEqual(28);
  expect(exp * 1000).toBeLessThanOrEqual(Date.parse(session.expires_at));
});

test.each([
  ['ES256', 'EC', ['crv', 'x', 'y']],
  ['EdDSA', 'OKP', ['crv', 'x']],
  ['RS256', 'RSA', ['e', 'n']],
])('signs with %s so that any holder of the JWKS can verify', async (SIGNING_ALGORITHM, kty, members) => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const { app } = await buildTestApp({ DATABASE_URL, SIGNING_ALGORITHM, AUDIENCE: 'https://api.example.test' });
  const person = await register(app);
  const jwks = await app.inject('/.well-known/jwks.json');
  expect(jwks.headers['cache-control']).toBe('public, max-age=300');
  expect(jwks.headers['set-cookie']).toBeUndefined();
  const set = jwks.json();
  expect(Object.keys(set)).toEqual(['keys']);
  // The one that signs, and the next one, published before it will.
  expect(set.keys).toHaveLength(2);
  const { kid } = decodeProtectedHeader(person.accessToken);
  const key = set.keys.find((one: { kid: string }) => one.kid === kid);
  expect(Object.keys(key).sort()).toEqual([...members, 'alg', 'kid', 'kty', 'use'].sort());
  expect(key).toMatchObject({ kty, alg: SIGNING_ALGORITHM, use: 'sig' });
  for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']) expect(key).not.toHaveProperty(secret);

  expect(decodeProtectedHeader(person.accessToken)).toEqual({ typ: 'at+jwt', alg: SIGNING_ALGORITHM, kid: key.kid });
  const { payload } = await jwtVerify(person.accessToken, createLocalJWKSet(set), {
    issuer: ISSUER,
    audience: 'https://api.example.test',
    typ: 'at+jwt',
    algorithms: [SIGNING_ALGORITHM],
  });
  const { iat = 0 } = payload;
  expect(payload).toEqual({
    iss: ISSUER,
    aud: 'https://api.example.test',
    sub: person.userId,
    sid: person.sessionId,
    gen: 1,
    iat,
    exp: iat + 600,
    jti: expect.stringMatching(ID),
    client_id: expect.any(String),
    auth_time: iat,
    amr: ['pwd'],
  });
  expect(Math.abs(iat - Date.now() / 1000)).toBeLessThan(5);
  expect((await getMe(app, person.accessToken)).statusCode).toBe(200);
});

test('counts the generation in each access token, gives each its own jti and keeps the time of sign-in', async () => {
  const { app } = await sharedTestApp();
  const person = await register(app);
  await sql("UPDATE sessions SET authenticated_at = authenticated_at - interval '1 hour' WHERE id = $1", [
    person.sessionId,
  ]);
  const second = readTokens(await refresh(app, person.refreshToken));
  const third = readTokens(await refresh(app, second.refreshToken));
  const claims = [person, second, third].map(({ accessToken }) => decodeJwt(accessToken));
  expect(claims.map(({ gen }) => gen)).toEqual([1, 2, 3]);
  expect(new Set(claims.map(({ jti }) => jti)).size).toBe(3);
  const signedInAt = Number(claims[0]?.auth_time) - 3_600;
  expect(claims.map(({ auth_time }) => auth_time).slice(1)).toEqual([signedInAt, signedInAt]);
});

test('gives a body session its refresh token in the JSON and no cookie, and refreshes it from the body', async () => {
  const { responses } = await allThree({}, { transport: 'body' });
  expect(responses.map(({ statusCode }) => statusCode)).toEqual([201, 200, 200]);
  const members = ['access_token', 'expires_in', 'refresh_token', 'session', 'token_type', 'user'];
  for (const [index, response] of responses.entries()) {
    expect(response.headers['set-cookie']).toBeUndefined();
    expect(response.headers['cache-control']).toBe('no-store');
    const isSignIn = index < 2;
    expect(Object.keys(response.json()).sort()).toEqual(isSignIn ? [...members, 'known_device'].sort() : members);
    expect(response.json().refresh_token).toMatch(/^[\w-]{72}$/);
  }
});

test('takes "transport": "cookie" as the default said aloud', async () => {
  const { responses } = await allThree({}, { transport: 'cookie' });
  for (const response of responses) {
    expect(response.json().refresh_token).toBeUndefined();
    expect(cookieOf(response)).toMatch(/^[\w-]{72}$/);
  }
});

test.each([
  ['the own origin', { origin: ISSUER }],
  ['an allowed origin', { origin: 'https://app.example.test' }],
  ['Sec-Fetch-Site', { 'sec-fetch-site': 'same-origin' }],
  ['Sec-Fetch-Site: none', { 'sec-fetch-site': 'none' }],
  ['Sec-Fetch-Dest alone', { 'sec-fetch-dest': 'empty' }],
  ['Sec-Fetch-User alone', { 'sec-fetch-user': '?1' }],
  ['an empty Sec-Fetch-Dest', { 'sec-fetch-dest': '' }],
])('refuses a body session to a browser: %s', async (_name, headers) => {
  const { app } = await sharedTestApp({ ALLOWED_ORIGINS: 'https://app.example.test' });
  const { email } = await register(app);
  for (const [url, address] of [
    ['/v1/auth/login', email],
    ['/v1/auth/register', freshEmail()],
  ] as const) {
    const response = await post(app, url, { email: address, password: PASSWORD, transport: 'body' }, { headers });
    const { errors = [] } = expectProblem(response, 422, 'validation_failed');
    expect(errors.map(({ path }) => path)).toEqual(['/transport']);
  }
  const sessions = await sql('SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id WHERE email = $1', [email]);
  expect(sessions).toHaveLength(1);
});

test('refuses a body session its refresh from the cookie, and a cookie session its refresh from the body', async () => {
  const { app } = await sharedTestApp();
  const native = await register(app, { transport: 'body' });
  const browser = await logIn(app, native.email);
  expectProblem(await refresh(app, native.refreshToken), 401, 'refresh_token_invalid');
  const byBody = await post(app, '/v1/auth/refresh', { refresh_token: browser.refreshToken });
  expectProblem(byBody, 401, 'refresh_token_invalid');
  for (const { sessionId } of [native, browser]) {
    expect(await sessionRow(sessionId)).toMatchObject({ generation: 1, ended_at: null });
  }
  expect((await post(app, '/v1/auth/refresh', { refresh_token: native.refreshToken })).statusCode).toBe(200);
  expect((await refresh(app, browser.refreshToken)).statusCode).toBe(200);
});

test('does not end a session when its replaced token comes by the wrong way', async () => {
  const { app } = await buildTestApp({ REFRESH_GRACE_SECONDS: '0' });
  const browser = await register(app);
  const next = readTokens(await refresh(app, browser.refreshToken));
  const byBody = await post(app, '/v1/auth/refresh', { refresh_token: browser.refreshToken });
  expectProblem(byBody, 401, 'refresh_token_invalid');
  expect((await sessionRow(browser.sessionId)).ended_at).toBeNull();
  expect((await refresh(app, next.refreshToken)).statusCode).toBe(200);
});

test('lists live sessions with the members of the contract, newest first, and marks the own one', async () => {
  const { app } = await sharedTestApp();
  const first = await register(app);
  const second = await logIn(app, first.email);
  const third = await logIn(app, first.email);
  await sql('UPDATE sessions SET idle_expires_at = now() WHERE id = $1', [third.sessionId]);
  const response = await app.inject({
    url: '/v1/sessions',
    headers: { authorization: `Bearer ${first.accessToken}`, 'user-agent': 'a test' },
  });
  expect(response.headers['cache-control']).toBe('no-store');
  const { sessions, ...rest } = response.json();
  expect(rest).toEqual({});
  expect(sessions.map(({ id, current }: { id: string; current: boolean }) => [id, current])).toEqual([
    [second.sessionId, false],
    [first.sessionId, true],
  ]);
  const row = await sessionRow(first.sessionId);
  expect(sessions[1]).toMatchObject({
    id: first.sessionId,
    current: true,
    created_at: expect.stringMatching(TIME),
    last_used_at: expect.stringMatching(TIME),
    idle_expires_at: row.idle_expires_at.toISOString(),
    expires_at: row.expires_at.toISOString(),
    user_agent: 'lightMyRequest',
    ip: '127.0.0.1',
    transport: 'cookie',
  });
});
