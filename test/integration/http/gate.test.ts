import Fastify, { type FastifyInstance } from 'fastify';
import { expect, onTestFinished, test, vi } from 'vitest';
import { readAccessClaims } from '../../../src/modules/tokens/access-claims.js';
import { decorateWithAuth, guard } from '../../../src/plugins/gate.js';
import { freshDatabaseUrl, sql } from '../../support/database.js';
import {
  buildTestApp,
  COOKIE,
  getMe,
  ISSUER,
  logIn,
  refresh,
  register,
  sharedTestApp,
} from '../../support/test-app.js';
import { keyThatSigned, partsOf, signJwt } from './forge.js';
import { bearer, exchange, expectProblem, expectProblemBody, post, sessionRow, watchQueries } from './support.js';

const REALM = `Bearer realm="${new URL(ISSUER).host}"`;
const GUARDED = [
  ['GET', '/v1/me'],
  ['GET', '/v1/sessions'],
  ['DELETE', '/v1/sessions'],
  ['DELETE', '/v1/sessions/0199e0a4-9b2f-7a10-8c4d-2e7f60b1a9d3'],
] as const;

/** A token of this person with changed claims, signed by the service's own key. */
async function reissue(accessToken: string, changes: object): Promise<string> {
  const { header, claims } = partsOf(accessToken);
  return signJwt(header, { ...claims, ...changes }, await keyThatSigned(accessToken));
}

test.each(GUARDED)('asks for a token and says no more when %s %s comes without one', async (method, url) => {
  const { app } = await sharedTestApp();
  const response = await app.inject({ method, url });
  expectProblem(response, 401, 'access_token_missing');
  expect(response.headers['www-authenticate']).toBe(REALM);
  expect(response.headers['cache-control']).toBe('no-store');
});

test.each(GUARDED)('names the error when %s %s comes with a bad token', async (method, url) => {
  const { app, logLines } = await sharedTestApp();
  const response = await app.inject({ method, url, headers: bearer('not.a.token') });
  expectProblem(response, 401, 'access_token_invalid');
  expect(response.headers['www-authenticate']).toMatch(/^Bearer realm="auth\.example\.test", error="invalid_token"/);
  expect(logLines().filter(({ code }) => code === 'access_token_invalid')).not.toHaveLength(0);
  expect(JSON.stringify(logLines())).not.toContain('not.a.token');
});

test.each([
  ['an empty header', ''],
  ['Basic', 'Basic YWRhOnBhc3N3b3Jk'],
  ['another scheme with the token', 'Token TOKEN'],
  ['DPoP', 'DPoP TOKEN'],
  ['no scheme at all', 'TOKEN'],
  ['a scheme that only begins like it', 'BearerX TOKEN'],
  ['no space after the scheme', 'Bearer:TOKEN'],
])('sees no token in %s', async (_name, header) => {
  const { app } = await sharedTestApp();
  const { accessToken } = await register(app);
  const authorization = header.replace('TOKEN', accessToken);
  const response = await app.inject({ url: '/v1/me', headers: { authorization } });
  expectProblem(response, 401, 'access_token_missing');
  expect(response.headers['www-authenticate']).toBe(REALM);
});

test.each([
  ['nothing after it', 'Bearer '],
  ['the scheme alone', 'Bearer'],
  ['two tokens', 'Bearer TOKEN TOKEN'],
  ['two tokens with a comma', 'Bearer TOKEN, Bearer TOKEN'],
  ['a quoted token', 'Bearer "TOKEN"'],
  ['a parameter', 'Bearer token=TOKEN'],
  ['a tab before it', 'Bearer\tTOKEN'],
])('refuses a Bearer header with %s', async (_name, header) => {
  const { app } = await sharedTestApp();
  const { accessToken } = await register(app);
  const authorization = header.replaceAll('TOKEN', accessToken);
  const response = await app.inject({ url: '/v1/me', headers: { authorization } });
  expect(response.statusCode).toBe(401);
  expect(['access_token_missing', 'access_token_invalid']).toContain(response.json().code);
});

test.each(['Bearer', 'bearer', 'BEARER', 'bEaReR'])('takes the scheme spelled %s', async (scheme) => {
  const { app } = await sharedTestApp();
  const { accessToken, email } = await register(app);
  const response = await app.inject({ url: '/v1/me', headers: { authorization: `${scheme} ${accessToken}` } });
  expect(response.statusCode).toBe(200);
  expect(response.json().email).toBe(email);
});

test.each([
  ['twice the same good token', 'Authorization: Bearer TOKEN', 'Authorization: Bearer TOKEN'],
  ['the good token first', 'Authorization: Bearer TOKEN', 'Authorization: Bearer x.y.z'],
  ['the good token last', 'Authorization: Bearer x.y.z', 'authorization: Bearer TOKEN'],
  ['Basic and the good token', 'Authorization: Basic YTpi', 'AUTHORIZATION: Bearer TOKEN'],
  ['the good token and Basic', 'Authorization: Bearer TOKEN', 'Authorization: Basic YTpi'],
])('refuses two Authorization headers over a real socket: %s', async (_name, one, other) => {
  const { app } = await sharedTestApp();
  const { accessToken } = await register(app);
  const lines = ['GET /v1/me HTTP/1.1', 'Host: x', 'Connection: close', one, other, '', ''];
  const answer = await exchange(app, lines.join('\r\n').replaceAll('TOKEN', accessToken));
  const code = one.includes('Basic') ? 'access_token_missing' : 'access_token_invalid';
  expectProblemBody(answer.headers['content-type'], answer.body, 401, code);
});

test.each([
  ['the query', (token: string) => ({ url: `/v1/me?access_token=${token}&token=${token}` })],
  ['a cookie', (token: string) => ({ url: '/v1/me', cookies: { access_token: token, [COOKIE]: token } })],
  [
    'another header',
    (token: string) => ({
      url: '/v1/me',
      headers: { 'x-access-token': token, 'proxy-authorization': `Bearer ${token}` },
    }),
  ],
  [
    'the body',
    (token: string) => ({ url: '/v1/sessions', method: 'DELETE' as const, payload: { access_token: token } }),
  ],
])('does not look for a token in %s', async (_name, request) => {
  const { app } = await sharedTestApp();
  const { accessToken, sessionId } = await register(app);
  expectProblem(await app.inject(request(accessToken)), 401, 'access_token_missing');
  expect((await sessionRow(sessionId)).ended_at).toBeNull();
});

test('tells an expired token from a bad one, and the session survives it', async () => {
  const { app } = await sharedTestApp();
  const { accessToken, refreshToken } = await register(app);
  const past = Math.floor(Date.now() / 1000) - 5;
  const response = await getMe(app, await reissue(accessToken, { iat: past - 600, exp: past }));
  expectProblem(response, 401, 'access_token_expired');
  expect(response.headers['www-authenticate']).toMatch(/error="invalid_token"/);
  expect((await refresh(app, refreshToken)).statusCode).toBe(200);
});

test('refuses a token at once when it expires, though it was good a moment ago', async () => {
  const { app } = await buildTestApp();
  const { accessToken } = await register(app);
  const token = await reissue(accessToken, { exp: Math.floor(Date.now() / 1000) + 3 });
  expect((await getMe(app, token)).statusCode).toBe(200);
  await expect.poll(async () => (await getMe(app, token)).json().code, { timeout: 6_000 }).toBe('access_token_expired');
});

test('refuses a refresh token as Bearer, and an access token as refresh token, and touches nothing', async () => {
  const { app } = await sharedTestApp();
  const { accessToken, refreshToken, sessionId } = await register(app);
  expectProblem(await getMe(app, refreshToken), 401, 'access_token_invalid');
  expectProblem(await refresh(app, accessToken), 401, 'refresh_token_invalid');
  // In the body it is too long to be one.
  const byBody = await post(app, '/v1/auth/refresh', { refresh_token: accessToken });
  expect([401, 422]).toContain(byBody.statusCode);
  expect(await sessionRow(sessionId)).toMatchObject({ generation: 1, ended_at: null });
});

const ENDINGS: [
  string,
  string,
  (app: FastifyInstance, person: Awaited<ReturnType<typeof register>>) => Promise<unknown>,
][] = [
  [
    'logout by cookie',
    'logout',
    (app, { refreshToken }) => post(app, '/v1/auth/logout', undefined, { cookies: { [COOKIE]: refreshToken } }),
  ],
  [
    'logout by Bearer',
    'logout',
    (app, { accessToken }) => post(app, '/v1/auth/logout', undefined, { headers: bearer(accessToken) }),
  ],
  [
    'ending this very session',
    'revoked',
    (app, { accessToken, sessionId }) =>
      app.inject({ method: 'DELETE', url: `/v1/sessions/${sessionId}`, headers: bearer(accessToken) }),
  ],
  [
    'ending all sessions',
    'revoked',
    (app, { accessToken }) => app.inject({ method: 'DELETE', url: '/v1/sessions', headers: bearer(accessToken) }),
  ],
];

test.each(ENDINGS)('refuses both tokens of a session at once after %s, and says why', async (_name, reason, end) => {
  const { app } = await sharedTestApp();
  const person = await register(app);
  expect((await getMe(app, person.accessToken)).statusCode).toBe(200);
  expect(await end(app, person)).toMatchObject({ statusCode: 204 });
  for (const [method, url] of GUARDED) {
    const response = await app.inject({ method, url, headers: bearer(person.accessToken) });
    expect(expectProblem(response, 401, 'session_ended').reason).toBe(reason);
    expect(response.headers['www-authenticate']).toMatch(/error="invalid_token"/);
  }
  expect(expectProblem(await refresh(app, person.refreshToken), 401, 'session_ended').reason).toBe(reason);
  expect(await sessionRow(person.sessionId)).toMatchObject({ end_reason: reason });
  const { app: restarted } = await buildTestApp();
  expectProblem(await getMe(restarted, person.accessToken), 401, 'session_ended');
});

test('ends all other sessions and keeps the own one when asked to, and says so to each', async () => {
  const { app } = await sharedTestApp();
  const own = await register(app);
  const other = await logIn(app, own.email);
  const stranger = await register(app);
  const url = '/v1/sessions?keep_current=true';
  expect((await app.inject({ method: 'DELETE', url, headers: bearer(own.accessToken) })).statusCode).toBe(204);
  expectProblem(await getMe(app, other.accessToken), 401, 'session_ended');
  expect((await getMe(app, own.accessToken)).statusCode).toBe(200);
  expect((await getMe(app, stranger.accessToken)).statusCode).toBe(200);
});

test("answers for somebody else's session as for one that never was, and leaves it alone", async () => {
  const { app } = await sharedTestApp();
  const [ada, eve] = [await register(app), await register(app)];
  const end = (id: string) =>
    app.inject({ method: 'DELETE', url: `/v1/sessions/${id}`, headers: bearer(eve.accessToken) });
  const [others, unknown] = [await end(ada.sessionId), await end(crypto.randomUUID())];
  expectProblem(others, 404, 'session_not_found');
  expect({ ...others.json(), request_id: '' }).toEqual({ ...unknown.json(), request_id: '' });
  for (const id of [
    "' OR 1=1 --",
    '*',
    'null',
    ada.sessionId.toUpperCase(),
    `${ada.sessionId} `,
    `{${ada.sessionId}}`,
  ]) {
    expectProblem(await end(encodeURIComponent(id)), 404, 'session_not_found');
  }
  expect((await sessionRow(ada.sessionId)).ended_at).toBeNull();
  expect((await getMe(app, ada.accessToken)).statusCode).toBe(200);
});

test('refuses the token of an account that is gone, as a Bearer error', async () => {
  const { app } = await sharedTestApp();
  const { accessToken, userId } = await register(app);
  await sql('DELETE FROM users WHERE id = $1', [userId]);
  const response = await getMe(app, accessToken);
  expect(expectProblem(response, 401, 'session_ended').reason).toBe('account_deleted');
  expect(response.headers['www-authenticate']).toMatch(/error="invalid_token"/);
});

test('asks the database at most once about 300 tokens with unknown kids', async () => {
  // A database of its own, and no reading of all keys every few seconds: what is left was asked for by a request.
  vi.useFakeTimers({ toFake: ['setInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const databaseUrl = await freshDatabaseUrl({ migrated: true });
  const { app } = await buildTestApp({ DATABASE_URL: databaseUrl });
  const { accessToken } = await register(app);
  const { header, claims } = partsOf(accessToken);
  const key = await keyThatSigned(accessToken, databaseUrl);
  const forged = Array.from({ length: 300 }, () => signJwt({ ...header, kid: crypto.randomUUID() }, claims, key));
  const queries = watchQueries(databaseUrl);
  for (const response of await Promise.all(forged.map((token) => getMe(app, token)))) {
    expectProblem(response, 401, 'access_token_invalid');
  }
  expect(queries('signing_keys')).toBe(1);
});

test('asks the database nothing about a bad token or a bad refresh token', async () => {
  const { app } = await buildTestApp();
  const { accessToken, refreshToken } = await register(app);
  const queries = watchQueries();
  const flipped = `${refreshToken.slice(0, -1)}${refreshToken.endsWith('A') ? 'B' : 'A'}`;
  for (const token of [`${accessToken}x`, accessToken.slice(0, -4), 'garbage', refreshToken]) await getMe(app, token);
  for (const token of [flipped, 'garbage', refreshToken.slice(1), accessToken]) {
    expectProblem(await refresh(app, token), 401, 'refresh_token_invalid');
  }
  for (const table of ['sessions s', 'UPDATE sessions', 'signing_keys', 'users']) expect(queries(table), table).toBe(0);
  await refresh(app, refreshToken);
  expect(queries('UPDATE sessions')).toBe(1);
});

test('gives each route of a guarded scope the claims, which no handler can change for the next request', async () => {
  const { app } = await sharedTestApp();
  const { accessToken, userId, sessionId } = await register(app);
  const claims = { sub: userId, sid: sessionId, gen: 1 };
  const scope = Fastify();
  onTestFinished(() => scope.close());
  decorateWithAuth(scope);
  const ended = new Map<string, string>();
  const verify = vi.fn(async () => readAccessClaims(partsOf(accessToken).claims) ?? expect.unreachable());
  guard(scope, {
    accessTokens: { recall: () => undefined, verify },
    endedSessions: { reasonOf: (sid) => ended.get(sid) },
    clock: { now: () => 0 },
    onFirstPass: () => {},
  });
  scope.get('/direct', ({ auth }) => ({ ...auth, frozen: Object.isFrozen(auth) }));
  await scope.register(async (inner) => {
    inner.get('/inner', ({ auth }) => {
      expect(() => Object.assign(auth, { sub: 'eve' })).toThrow(TypeError);
      return auth;
    });
  });
  for (const url of ['/direct', '/inner']) {
    expect((await scope.inject({ url })).statusCode).not.toBe(200);
    expect((await scope.inject({ url, headers: bearer(accessToken) })).json()).toMatchObject(claims);
  }
  expect((await scope.inject({ url: '/direct', headers: bearer(accessToken) })).json().frozen).toBe(true);
  ended.set(sessionId, 'revoked');
  for (const url of ['/direct', '/inner']) {
    expect((await scope.inject({ url, headers: bearer(accessToken) })).statusCode).not.toBe(200);
  }
});
