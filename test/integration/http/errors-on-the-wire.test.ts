import { expect, test } from 'vitest';
import { freshDatabaseUrl, testDatabaseUrl } from '../../support/database.js';
import { withClient } from '../../support/postgres.js';
import { startTcpProxy } from '../../support/tcp-proxy.js';
import {
  buildTestApp,
  COOKIE,
  freshEmail,
  getMe,
  PASSWORD,
  refresh,
  register,
  sharedTestApp,
} from '../../support/test-app.js';
import { exchange, expectProblem, expectProblemBody, post } from './support.js';

const HEAD = 'Host: x\r\nConnection: close\r\n';

test.each<[string, string | Buffer, number, string]>([
  ['a garbage request line', 'HELLO\r\n\r\n', 400, 'malformed_request'],
  ['bytes of TLS', Buffer.from('1603010200010001fc0303', 'hex'), 400, 'malformed_request'],
  ['an unknown method', `FOO /v1/me HTTP/1.1\r\n${HEAD}\r\n`, 400, 'malformed_request'],
  ['an unknown version', `GET / HTTP/9.9\r\n${HEAD}\r\n`, 400, 'malformed_request'],
  ['a header without a colon', `GET / HTTP/1.1\r\n${HEAD}nonsense\r\n\r\n`, 400, 'malformed_request'],
  ['a space in a header name', `GET / HTTP/1.1\r\n${HEAD}a b: c\r\n\r\n`, 400, 'malformed_request'],
  ['NUL in a header', `GET / HTTP/1.1\r\n${HEAD}a: b\0c\r\n\r\n`, 400, 'malformed_request'],
  [
    'a length that is no number',
    `POST /v1/auth/login HTTP/1.1\r\n${HEAD}Content-Length: many\r\n\r\n`,
    400,
    'malformed_request',
  ],
  [
    'two lengths',
    `POST /v1/auth/login HTTP/1.1\r\n${HEAD}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`,
    400,
    'malformed_request',
  ],
  [
    'a length and chunks',
    `POST /v1/auth/login HTTP/1.1\r\n${HEAD}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
    'malformed_request',
  ],
  [
    'a broken chunk',
    `POST /v1/auth/login HTTP/1.1\r\n${HEAD}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n`,
    400,
    'malformed_request',
  ],
  ['headers of 20 KB', `GET / HTTP/1.1\r\n${HEAD}a: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
  [
    'a token of 16 KB',
    `GET /v1/me HTTP/1.1\r\n${HEAD}Authorization: Bearer ${'x'.repeat(16_384)}\r\n\r\n`,
    431,
    'headers_too_large',
  ],
  ['an address of 20 KB', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\n${HEAD}\r\n`, 431, 'headers_too_large'],
  ['no Host', 'GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'malformed_request'],
  ['two Hosts', `GET /livez HTTP/1.1\r\n${HEAD}HOST: evil.example\r\n\r\n`, 400, 'malformed_request'],
  ['two Hosts that are the same', `GET /livez HTTP/1.1\r\n${HEAD}Host: x\r\n\r\n`, 400, 'malformed_request'],
  ['bad percent-encoding', `GET /% HTTP/1.1\r\n${HEAD}\r\n`, 400, 'malformed_request'],
  ['an address that is not there', `GET /nothing HTTP/1.1\r\n${HEAD}\r\n`, 404, 'not_found'],
])('answers a problem document over a real socket to %s', async (_name, request, status, code) => {
  const { app } = await sharedTestApp();
  const answer = await exchange(app, request);
  expect(answer.status).toBe(status);
  expectProblemBody(answer.headers['content-type'], answer.body, status, code);
  expect(Number(answer.headers['content-length'])).toBe(Buffer.byteLength(answer.body));
  expect(answer.body).not.toMatch(/HPE_|Parse Error|node:| at .+:\d/);
  expect((await app.inject('/livez')).statusCode).toBe(200);
});

test('answers a problem document, if any error, to an expectation that it does not know', async () => {
  const { app } = await sharedTestApp();
  const request = `POST /v1/auth/logout HTTP/1.1\r\n${HEAD}Expect: the-unexpected\r\nContent-Length: 0\r\n\r\n`;
  const answer = await exchange(app, request);
  if (answer.status >= 400) expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
  else expect(answer.status).toBe(204);
});

test('answers 413 over a real socket before it has read all of a chunked body', async () => {
  const { app } = await sharedTestApp();
  const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
  const head = `POST /v1/auth/login HTTP/1.1\r\n${HEAD}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
  const answer = await exchange(app, `${head}${chunk}${chunk}`);
  expectProblemBody(answer.headers['content-type'], answer.body, 413, 'payload_too_large');
});

test('sends no body with HEAD over a real socket, whatever the status', async () => {
  const { app } = await sharedTestApp();
  for (const url of ['/livez', '/v1/me', '/nothing', '/v1/auth/login']) {
    expect((await exchange(app, `HEAD ${url} HTTP/1.1\r\n${HEAD}\r\n`)).body).toBe('');
  }
});

const INTERNAL =
  /prisma|postgres|relation|column|users|sessions|select|insert|ECONN|127\.0\.0\.1|node_modules|\.ts\b|\.js\b|\bat \w+ \(/i;

test('answers 500 with no internal text when a table is gone, logs the cause, and lives on', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const { app, logLines } = await buildTestApp({ DATABASE_URL });
  const person = await register(app);
  await withClient(DATABASE_URL, (client) => client.query('ALTER TABLE users RENAME TO others'));
  const email = freshEmail();
  const failed = [
    await post(app, '/v1/auth/register', { email, password: PASSWORD }),
    await post(app, '/v1/auth/login', { email, password: PASSWORD }),
    await refresh(app, person.refreshToken),
    await getMe(app, person.accessToken),
  ];
  for (const response of failed) {
    const { request_id, detail } = expectProblem(response, 500, 'internal_error');
    expect(detail).not.toMatch(INTERNAL);
    expect(response.headers['set-cookie']).toBeUndefined();
    const [line] = logLines().filter((one) => one.request_id === request_id && one.level === 'error');
    expect(JSON.stringify(line)).toMatch(/users/);
  }
  const log = JSON.stringify(logLines());
  for (const secret of [email, PASSWORD, person.refreshToken, person.accessToken]) expect(log).not.toContain(secret);

  await withClient(DATABASE_URL, (client) => client.query('ALTER TABLE others RENAME TO users'));
  expect((await getMe(app, person.accessToken)).statusCode).toBe(200);
  expect((await refresh(app, person.refreshToken)).statusCode).toBe(200);
});

test('answers 503 with Retry-After when the database is gone: nobody is signed out, nothing is called done', async () => {
  const proxy = await startTcpProxy(new URL(await testDatabaseUrl()));
  const { app, logLines } = await buildTestApp({ DATABASE_URL: proxy.url });
  const person = await register(app);
  proxy.cut();
  const cookies = { [COOKIE]: person.refreshToken };
  const headers = { authorization: `Bearer ${person.accessToken}` };
  const failed = [
    await post(app, '/v1/auth/register', { email: freshEmail(), password: PASSWORD }),
    await post(app, '/v1/auth/login', { email: person.email, password: PASSWORD }),
    await refresh(app, person.refreshToken),
    await post(app, '/v1/auth/logout', undefined, { cookies }),
    await post(app, '/v1/auth/logout', undefined, { headers }),
    await getMe(app, person.accessToken),
    await app.inject({ url: '/v1/sessions', headers }),
    await app.inject({ method: 'DELETE', url: '/v1/sessions', headers }),
    await app.inject({ method: 'DELETE', url: `/v1/sessions/${person.sessionId}`, headers }),
  ];
  for (const response of failed) {
    expect(expectProblem(response, 503, 'unavailable').detail).not.toMatch(INTERNAL);
    expect(Number(response.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(response.headers['set-cookie']).toBeUndefined();
    expect(response.headers['clear-site-data']).toBeUndefined();
  }
  expect(logLines().filter(({ status }) => status === 503)).toHaveLength(failed.length);
  expect((await app.inject('/livez')).statusCode).toBe(200);
  expect((await app.inject('/readyz')).statusCode).toBe(503);
  expectProblem(await app.inject('/v1/me'), 401, 'access_token_missing');

  const { app: healthy } = await buildTestApp();
  expect((await refresh(healthy, person.refreshToken)).statusCode).toBe(200);
});

test('answers within three seconds when a table is locked', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const { app } = await buildTestApp({ DATABASE_URL });
  const person = await register(app);
  await withClient(DATABASE_URL, async (client) => {
    await client.query('BEGIN; LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE');
    const startedAt = performance.now();
    expectProblem(await refresh(app, person.refreshToken), 503, 'unavailable');
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    await client.query('ROLLBACK');
  });
  expect((await refresh(app, person.refreshToken)).statusCode).toBe(200);
});

test('answers 503 with Retry-After when too many passwords wait', async () => {
  const { app } = await buildTestApp({ HASH_QUEUE: '1', BCRYPT_COST: '8' });
  const attempts = Array.from({ length: 20 }, () =>
    post(app, '/v1/auth/login', { email: freshEmail(), password: PASSWORD }),
  );
  const responses = await Promise.all(attempts);
  const overloaded = responses.filter(({ statusCode }) => statusCode === 503);
  expect(overloaded).not.toHaveLength(0);
  for (const response of overloaded) {
    expectProblem(response, 503, 'overloaded');
    expect(Number(response.headers['retry-after'])).toBeGreaterThanOrEqual(1);
  }
  for (const response of responses) expect([401, 503]).toContain(response.statusCode);
});
