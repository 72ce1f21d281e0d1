import { expect, test } from 'vitest';
import { buildTestApp, COOKIE, freshEmail, ISSUER, PASSWORD, register, sharedTestApp } from '../../support/test-app.js';
import { bearer, countUsers, expectProblem, post, postRaw, sessionRow } from './support.js';

const APP = 'https://app.example.test';
const ALLOWED_ORIGINS = `${APP},https://admin.example.test:8443`;

/** Sec-Fetch-Site, Origin, and whether a page of such a kind may do it. */
const CALLERS: [string | undefined, string | undefined, boolean][] = [
  [undefined, undefined, true],
  ['same-origin', undefined, true],
  ['none', undefined, true],
  ['same-origin', ISSUER, true],
  [undefined, ISSUER, true],
  [undefined, APP, true],
  ['same-site', APP, true],
  ['cross-site', APP, true],
  ['cross-site', 'https://admin.example.test:8443', true],
  ['same-site', undefined, false],
  ['cross-site', undefined, false],
  ['', undefined, false],
  ['Same-Origin', undefined, false],
  ['same-origin, cross-site', undefined, false],
  ['nonsense', undefined, false],
  [undefined, 'null', false],
  ['cross-site', 'null', false],
  ['same-site', 'https://evil.example.test', false],
  [undefined, 'https://evil.example.test', false],
  ['cross-site', 'https://evil.example', false],
  [undefined, 'http://auth.example.test', false],
  [undefined, `${ISSUER}:443`, false],
  [undefined, `${ISSUER}:8443`, false],
  [undefined, `${ISSUER}/`, false],
  [undefined, `${ISSUER}.evil.example`, false],
  [undefined, 'https://xauth.example.test', false],
  [undefined, 'https://auth.example.test@evil.example', false],
  [undefined, 'HTTPS://AUTH.EXAMPLE.TEST', false],
  [undefined, 'https://admin.example.test', false],
  [undefined, `${ISSUER}, https://evil.example`, false],
  [undefined, '*', false],
  [undefined, '', false],
];

function headersOf(site: string | undefined, origin: string | undefined): Record<string, string> {
  return { ...(site === undefined ? {} : { 'sec-fetch-site': site }), ...(origin === undefined ? {} : { origin }) };
}

test.each(CALLERS)('Sec-Fetch-Site %j with Origin %j may sign in and register: %j', async (site, origin, allowed) => {
  const { app } = await sharedTestApp({ ALLOWED_ORIGINS });
  const { email } = await register(app);
  const newcomer = freshEmail();
  const headers = headersOf(site, origin);
  const login = await post(app, '/v1/auth/login', { email, password: PASSWORD }, { headers });
  const registration = await post(app, '/v1/auth/register', { email: newcomer, password: PASSWORD }, { headers });
  if (allowed) {
    expect([login.statusCode, registration.statusCode]).toEqual([200, 201]);
  } else {
    for (const response of [login, registration]) {
      expectProblem(response, 403, 'origin_not_allowed');
      expect(response.headers['set-cookie']).toBeUndefined();
    }
  }
  expect(await countUsers(newcomer)).toBe(allowed ? 1 : 0);
});

test.each(CALLERS)('Sec-Fetch-Site %j with Origin %j may use the cookie: %j', async (site, origin, allowed) => {
  const { app } = await sharedTestApp({ ALLOWED_ORIGINS });
  const person = await register(app);
  const headers = headersOf(site, origin);
  const cookies = { [COOKIE]: person.refreshToken };
  const withToken = { ...headers, ...bearer(person.accessToken) };
  const refreshed = await post(app, '/v1/auth/refresh', undefined, { headers, cookies });
  if (!allowed) {
    const url = '/v1/sessions';
    const refused = [
      refreshed,
      await post(app, '/v1/auth/logout', undefined, { headers, cookies }),
      await app.inject({ method: 'DELETE', url, headers: withToken, cookies }),
      await app.inject({ method: 'DELETE', url: `${url}/${person.sessionId}`, headers: withToken, cookies }),
    ];
    for (const response of refused) {
      expectProblem(response, 403, 'origin_not_allowed');
      expect(response.headers['set-cookie']).toBeUndefined();
    }
    expect(await sessionRow(person.sessionId)).toMatchObject({ generation: 1, ended_at: null });
    // Reading, and what carries no cookie, is not tricked into anything.
    expect((await app.inject({ url: '/v1/me', headers: withToken, cookies })).statusCode).toBe(200);
    expectProblem(await post(app, '/v1/auth/refresh', undefined, { headers }), 401, 'refresh_token_missing');
    expect((await app.inject({ method: 'DELETE', url, headers: withToken })).statusCode).toBe(204);
    return;
  }
  expect(refreshed.statusCode).toBe(200);
  const current = refreshed.cookies.find(({ name }) => name === COOKIE)?.value ?? '';
  const logout = await post(app, '/v1/auth/logout', undefined, { headers, cookies: { [COOKIE]: current } });
  expect(logout.statusCode).toBe(204);
});

test('asks for the origin also when the cookie comes twice, or beside others, or empty', async () => {
  const { app } = await sharedTestApp();
  const { refreshToken, sessionId } = await register(app);
  for (const cookie of [
    `${COOKIE}=${refreshToken}; ${COOKIE}=x`,
    `a=b;${COOKIE}=${refreshToken}`,
    `a=b; \t${COOKIE} = ${refreshToken}`,
    `${COOKIE}=`,
    `x="; ${COOKIE}=${refreshToken}; y="`,
  ]) {
    const headers = { cookie, 'sec-fetch-site': 'same-site', origin: 'https://evil.example.test' };
    expectProblem(await post(app, '/v1/auth/logout', undefined, { headers }), 403, 'origin_not_allowed');
  }
  expect((await sessionRow(sessionId)).ended_at).toBeNull();
});

test.each([
  ['text/plain', (json: string) => json],
  ['application/x-www-form-urlencoded', (json: string) => `${encodeURIComponent(json)}=`],
  [
    'multipart/form-data; boundary=x',
    (json: string) => `--x\r\nContent-Disposition: form-data; name="${json}"\r\n\r\n\r\n--x--`,
  ],
])('signs nobody in by a form of a foreign page: %s', async (type, write) => {
  const { app } = await sharedTestApp();
  const { email } = await register(app);
  const payload = write(JSON.stringify({ email, password: PASSWORD }));
  for (const headers of [{}, { 'sec-fetch-site': 'cross-site' }, { origin: 'null' }]) {
    const response = await postRaw(app, '/v1/auth/login', payload, { 'content-type': type, ...headers });
    expect([403, 415]).toContain(response.statusCode);
    expectProblem(response, response.statusCode, response.json().code);
    expect(response.headers['set-cookie']).toBeUndefined();
  }
});

test.each([
  ['POST', '/v1/auth/login', 'content-type'],
  ['POST', '/v1/auth/refresh', 'content-type'],
  ['GET', '/v1/me', 'authorization'],
  ['DELETE', '/v1/sessions', 'authorization, content-type'],
] as const)('answers the preflight of an allowed origin for %s %s', async (method, url, asked) => {
  const { app } = await sharedTestApp({ ALLOWED_ORIGINS });
  const response = await app.inject({
    method: 'OPTIONS',
    url,
    headers: {
      origin: APP,
      'access-control-request-method': method,
      'access-control-request-headers': asked,
    },
  });
  expect(response.statusCode).toBe(204);
  expect(response.body).toBe('');
  expect(response.headers['access-control-allow-origin']).toBe(APP);
  expect(response.headers['access-control-allow-credentials']).toBe('true');
  expect(String(response.headers['access-control-allow-methods']).split(', ')).toContain(method);
  const allowed = String(response.headers['access-control-allow-headers']).split(', ');
  for (const name of asked.split(', ')) expect(allowed).toContain(name);
  expect(response.headers.vary).toMatch(/Origin/);
});

const CORS_HEADERS = [
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-expose-headers',
];

test.each([
  'https://evil.example.test',
  'https://evil.example',
  'null',
  '*',
  `${APP}.evil.example`,
  `${APP}/`,
  'http://app.example.test',
  ISSUER,
  'https://admin.example.test',
])('gives no CORS header to %s, neither in a preflight nor in an answer', async (origin) => {
  const { app } = await sharedTestApp({ ALLOWED_ORIGINS });
  const { accessToken } = await register(app);
  const preflight = { origin, 'access-control-request-method': 'POST' };
  const answers = [
    await app.inject({ method: 'OPTIONS', url: '/v1/auth/login', headers: preflight }),
    await app.inject({ url: '/v1/me', headers: { origin, ...bearer(accessToken) } }),
    await app.inject({ url: '/.well-known/jwks.json', headers: { origin } }),
    await app.inject({ url: '/nothing', headers: { origin } }),
  ];
  for (const response of answers) {
    for (const name of CORS_HEADERS) expect(response.headers[name]).toBeUndefined();
    // Or a cache would give this answer to an allowed origin.
    expect(response.headers.vary).toMatch(/Origin/);
    if (response.statusCode >= 400) expectProblem(response, response.statusCode, response.json().code);
  }
});

test('lets a page of an allowed origin read every answer, errors too, and never says *', async () => {
  const { app } = await buildTestApp({ ALLOWED_ORIGINS, RATE_LIMIT_CREDENTIALS_PER_MINUTE: '3' });
  const headers = { origin: APP };
  const email = freshEmail();
  const credentials = { email, password: PASSWORD };
  const answers = [
    await post(app, '/v1/auth/register', credentials, { headers }),
    await post(app, '/v1/auth/login', { email: 1 }, { headers }),
    await post(app, '/v1/auth/login', { email, password: 'wrong password' }, { headers }),
    await post(app, '/v1/auth/login', credentials, { headers }),
    await app.inject({ url: '/v1/me', headers }),
    await app.inject({ url: '/nothing', headers }),
    await app.inject({ method: 'PUT', url: '/v1/me', headers }),
    await postRaw(app, '/v1/auth/refresh', '{', headers),
    await postRaw(app, '/v1/auth/refresh', 'x', { ...headers, 'content-type': 'text/plain' }),
    await postRaw(app, '/v1/auth/refresh', 'x'.repeat(20_000), headers),
    await post(app, '/v1/auth/refresh', undefined, { headers: { ...headers, cookie: `${COOKIE}=x` } }),
  ];
  expect(answers.map(({ statusCode }) => statusCode)).toEqual([201, 422, 401, 429, 401, 404, 405, 400, 415, 413, 401]);
  for (const response of answers) {
    expect(response.headers['access-control-allow-origin']).toBe(APP);
    expect(response.headers['access-control-allow-credentials']).toBe('true');
    const readable = String(response.headers['access-control-expose-headers']).split(', ');
    expect(readable).toEqual(expect.arrayContaining(['retry-after', 'www-authenticate', 'x-request-id']));
    expect(response.headers.vary).toMatch(/Origin/);
  }
});

test('answers a problem document to an OPTIONS of an allowed origin that is no preflight', async () => {
  const { app } = await sharedTestApp({ ALLOWED_ORIGINS });
  const response = await app.inject({ method: 'OPTIONS', url: '/v1/me', headers: { origin: APP } });
  if (response.statusCode >= 400) expectProblem(response, response.statusCode, response.json().code);
});
