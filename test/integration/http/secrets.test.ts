import { randomBytes } from 'node:crypto';
import type { InjectOptions } from 'fastify';
import { expect, test } from 'vitest';
import { freshDatabaseUrl, sql } from '../../support/database.js';
import { withClient } from '../../support/postgres.js';
import { buildTestApp, COOKIE, freshEmail, readTokens, refresh, register } from '../../support/test-app.js';
import { bearer, exchange, expectProblem, post, postRaw } from './support.js';

const canary = () => `canary${randomBytes(9).toString('hex')}`;

/** An app that logs all it can, and what it wrote, byte for byte. */
async function loudApp(environment: NodeJS.ProcessEnv = {}) {
  const { app, logText } = await buildTestApp({ LOG_LEVEL: 'trace', ...environment });
  return { app, log: logText };
}

test('leaves no trace of passwords and tokens in the log at trace, whatever becomes of the request', async () => {
  const { app, log } = await loudApp({ REFRESH_GRACE_SECONDS: '0' });
  const email = freshEmail();
  const [password, wrong] = [canary(), canary()];
  const registered = await post(app, '/v1/auth/register', { email, password });
  const first = readTokens(registered);
  const native = (await post(app, '/v1/auth/login', { email, password, transport: 'body' })).json();
  const next = readTokens(await refresh(app, first.refreshToken));
  const byBody = { refresh_token: native.refresh_token };
  const nextNative = (await post(app, '/v1/auth/refresh', byBody)).json();
  await post(app, '/v1/auth/login', { email, password: wrong });
  await post(app, '/v1/auth/register', { email, password });
  await app.inject({ url: '/v1/sessions', headers: bearer(next.accessToken) });
  await refresh(app, first.refreshToken);
  await refresh(app, next.refreshToken);
  await app.inject({ url: '/v1/me', headers: bearer(next.accessToken) });
  await post(
    app,
    '/v1/auth/logout',
    { refresh_token: nextNative.refresh_token },
    { headers: bearer(first.accessToken) },
  );

  const secrets = [
    password,
    wrong,
    first.refreshToken,
    first.accessToken,
    next.refreshToken,
    next.accessToken,
    native.refresh_token,
    native.access_token,
    nextNative.refresh_token,
    nextNative.access_token,
    email,
  ];
  for (const secret of secrets) expect(log()).not.toContain(secret);
  expect(log()).toContain(registered.headers['x-request-id']);
});

/** Every place of a request where a secret may be put by mistake; bad requests, too. */
function misplaced(secret: string, good: { accessToken: string; refreshToken: string }): Record<string, InjectOptions> {
  const url = '/v1/auth/login';
  const email = freshEmail();
  const json = { 'content-type': 'application/json' };
  return {
    'the address': { method: 'POST', url, payload: { email: secret, password: 'x' } },
    'the address, with a domain': { method: 'POST', url, payload: { email: `${secret}@example.test`, password: 'x' } },
    'the password': { method: 'POST', url, payload: { email, password: secret } },
    'a password that is too long': { method: 'POST', url, payload: { email, password: secret.repeat(40) } },
    'a list of passwords': { method: 'POST', url, payload: { email, password: [secret] } },
    'an object of passwords': { method: 'POST', url, payload: { email: { contains: secret }, password: { secret } } },
    'the transport': { method: 'POST', url, payload: { email, password: 'x', transport: secret } },
    'an unknown property': { method: 'POST', url, payload: { email, password: 'x', token: secret } },
    'broken JSON': { method: 'POST', url, payload: `{"password":"${secret}`, headers: json },
    'a text that is no JSON': { method: 'POST', url, payload: secret, headers: json },
    'text with NUL': { method: 'POST', url, payload: `{"password":"${secret}\\u0000"}`, headers: json },
    'a body under __proto__': { method: 'POST', url, payload: `{"__proto__":"${secret}"}`, headers: json },
    'a form': {
      method: 'POST',
      url,
      payload: `password=${secret}`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    },
    'a body that is too large': { method: 'POST', url, payload: { email, password: secret.repeat(1_000) } },
    'the refresh token': { method: 'POST', url: '/v1/auth/refresh', payload: { refresh_token: secret } },
    'the refresh cookie': { method: 'POST', url: '/v1/auth/refresh', headers: { cookie: `${COOKIE}=${secret}` } },
    'another cookie': { method: 'POST', url: '/v1/auth/refresh', headers: { cookie: `${secret}=${secret}` } },
    'two cookies': {
      method: 'POST',
      url: '/v1/auth/refresh',
      headers: { cookie: `${COOKIE}=${secret}; ${COOKIE}=${secret}` },
    },
    'the access token': { url: '/v1/me', headers: bearer(secret) },
    'a forged access token': { url: '/v1/me', headers: bearer(good.accessToken.replace(/\.[^.]*$/, `.${secret}`)) },
    'Basic credentials': { url: '/v1/me', headers: { authorization: `Basic ${secret}` } },
    'the scheme': { url: '/v1/me', headers: { authorization: `${secret} x` } },
    'the user agent': { url: '/v1/me', headers: { 'user-agent': secret } },
    'the referrer': { url: '/v1/me', headers: { referer: `https://app.example/?token=${secret}` } },
    'another header': { url: '/v1/me', headers: { 'x-api-key': secret, 'x-request-id': secret, [secret]: secret } },
    'the content type': { method: 'POST', url, payload: '{}', headers: { 'content-type': secret } },
    'the origin': {
      method: 'POST',
      url,
      payload: { email, password: 'x' },
      headers: { origin: `https://${secret}.example` },
    },
    'the host': { url: '/v1/me', headers: { host: secret, 'x-forwarded-host': secret, 'x-forwarded-for': secret } },
    'the query': { url: `/v1/me?access_token=${secret}` },
    'a bad query': { method: 'DELETE', url: `/v1/sessions?${secret}=${secret}`, headers: bearer(good.accessToken) },
    'the fragment': { url: `/v1/me#access_token=${secret}` },
  };
}

test('leaves no trace of a secret in the log or in an error, wherever somebody puts it by mistake', async () => {
  const { app, log } = await loudApp();
  const good = await register(app);
  for (const place of Object.keys(misplaced('', good))) {
    const secret = canary();
    const request = misplaced(secret, good)[place] ?? expect.unreachable();
    const response = await app.inject(request);
    expect(response.statusCode, place).toBeGreaterThanOrEqual(400);
    const expected = expectProblem(response, response.statusCode, response.json().code);
    // The name of an unknown property is told to whoever sent it, and to nobody else.
    const told = place === 'a bad query' ? { ...expected, errors: [] } : expected;
    expect(JSON.stringify([told, response.headers]), place).not.toContain(secret);
    expect(log(), place).toContain(expected.request_id);
    expect(log(), place).not.toContain(secret);
  }
});

test.each([
  ['a path that is not there', '/v1/auth/TOKEN', 404],
  ['a longer path that is not there', '/verify/TOKEN/now', 404],
  ['the id of a session', '/v1/sessions/TOKEN', 404],
  ['a path that cannot be read', '/TOKEN/%', 400],
])('leaves no trace of a refresh token in the log when it is in %s', async (_name, path, status) => {
  const { app, log } = await loudApp();
  const { refreshToken, accessToken } = await register(app);
  const url = path.replace('TOKEN', refreshToken);
  const response = await app.inject({ method: 'DELETE', url, headers: bearer(accessToken) });
  expect(response.statusCode).toBe(status);
  expect(response.body).not.toContain(refreshToken);
  expect(log()).not.toContain(refreshToken);
});

test('keeps the password nowhere in the database but as a hash, and the refresh token not at all', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const { app } = await loudApp({ DATABASE_URL });
  const password = canary();
  const email = freshEmail();
  const { refreshToken, accessToken } = readTokens(await post(app, '/v1/auth/register', { email, password }));
  const next = readTokens(await refresh(app, refreshToken));
  await post(app, '/v1/auth/login', { email, password });
  await withClient(DATABASE_URL, async (client) => {
    const tables = await client.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
    let rows = 0;
    for (const { tablename } of tables.rows) {
      const stored = await client.query(`SELECT to_jsonb(t)::text AS row FROM ${tablename} t`);
      rows += stored.rows.length;
      for (const { row } of stored.rows) {
        for (const secret of [password, refreshToken, accessToken, next.refreshToken, next.accessToken]) {
          expect(row).not.toContain(secret);
          expect(row).not.toContain(Buffer.from(secret).toString('hex'));
        }
      }
    }
    expect(rows).toBeGreaterThan(2);
    const { rows: users } = await client.query('SELECT password_hash FROM users');
    expect(users[0].password_hash).toMatch(/^gh1:\d{1,3}:\$2b\$04\$/);
  });
});

test('logs neither the password nor its hash when a statement fails', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const { app, log } = await loudApp({ DATABASE_URL });
  const { email: known } = await register(app);
  await withClient(DATABASE_URL, (client) => client.query('ALTER TABLE users DROP COLUMN created_at CASCADE'));
  const password = canary();
  const email = freshEmail();
  for (const url of ['/v1/auth/register', '/v1/auth/login']) {
    for (const address of [email, known]) {
      const response = await post(app, url, { email: address, password });
      expect([401, 409, 500]).toContain(response.statusCode);
    }
  }
  expect(log()).toMatch(/"level":"error"/);
  for (const secret of [password, email, known]) expect(log()).not.toContain(secret);
  expect(log()).not.toMatch(/\$2b\$|gh1:/);
});

/** Control characters, format characters (bidi among them) and line separators, but for the end of a line. */
const DANGEROUS = /[^\P{C}\n]|\p{Zl}|\p{Zp}/u;

test.each([
  ['a line break and a false line', '\r\n{"level":"fatal","msg":"forged"}'],
  ['ANSI colours', '\u001b[31mred\u001b[0m'],
  ['a C1 control sequence', '\u009b2J'],
  ['a title of the terminal', '\u001b]0;owned\u0007'],
  ['a right-to-left override', '\u202egpj.exe'],
  ['bidi isolates', '\u2066a\u2069'],
  ['a zero-width space', 'a\u200bb'],
  ['a backspace', 'abc\b\b\b'],
  ['a line separator', 'a\u2028b'],
])('writes one JSON object a line with nothing dangerous in it, though the request holds %s', async (_name, text) => {
  const { app, log } = await loudApp({ TRUSTED_PROXIES: '127.0.0.1' });
  const { accessToken } = await register(app);
  const latin = Buffer.from(text)
    .toString('latin1')
    .replace(/[^\x20-\x7e\x80-\xff]/g, '');
  const escaped = encodeURIComponent(text);
  await post(app, '/v1/auth/login', { email: `${text}@example.test`, password: text });
  await post(app, '/v1/auth/register', { email: `a${text}@example.test`, password: `${text}12345678`, [text]: 1 });
  await post(app, '/v1/auth/refresh', { refresh_token: text });
  await postRaw(app, '/v1/auth/login', text);
  await app.inject({ url: `/nothing/${escaped}?${escaped}=${escaped}` });
  await app.inject({ method: 'DELETE', url: `/v1/sessions/${escaped}`, headers: bearer(accessToken) });
  const head = `Host: x\r\nConnection: close\r\nUser-Agent: ${latin}\r\nX-Forwarded-For: ${latin}\r\n`;
  await exchange(app, Buffer.from(`GET /nothing/${latin.replaceAll(' ', '')} HTTP/1.1\r\n${head}\r\n`, 'latin1'));
  await exchange(app, Buffer.from(`GET /${text} HTTP/1.1\r\n${head}Authorization: Bearer ${latin}\r\n\r\n`));

  expect(log()).not.toMatch(DANGEROUS);
  const lines = log().trimEnd().split('\n');
  expect(lines.length).toBeGreaterThan(5);
  for (const line of lines) {
    const entry = JSON.parse(line);
    expect(entry).toMatchObject({ level: expect.any(String), time: expect.any(String), service: 'gatehouse' });
    expect(entry.level).not.toBe('fatal');
    if (entry.msg === 'answered') expect(entry.request_id).toMatch(/^[0-9a-f-]{36}$/);
  }
});

test('stores a user agent cut to 256 characters of plain text, and gives it back so', async () => {
  const { app } = await buildTestApp();
  const userAgent = `Mozilla\t"<script>alert(1)</script>" \u00e9\u009b${'x'.repeat(400)}`;
  const response = await post(
    app,
    '/v1/auth/register',
    { email: freshEmail(), password: canary() },
    {
      headers: { 'user-agent': userAgent },
    },
  );
  const { session, access_token } = response.json();
  const [row] = await sql<{ user_agent: string }>('SELECT user_agent FROM sessions WHERE id = $1', [session.id]);
  expect(row?.user_agent).toMatch(/^[\x20-\x7e]{256}$/);
  const list = await app.inject({ url: '/v1/sessions', headers: bearer(access_token) });
  expect(list.json().sessions[0].user_agent).toBe(row?.user_agent);
  expect(list.headers['content-type']).toMatch(/^application\/json/);
  expect(list.headers['x-content-type-options']).toBe('nosniff');
});

test('names every answer in the log by the request id that the client got', async () => {
  const { app, logLines } = await buildTestApp({ LOG_LEVEL: 'debug' });
  const answers = [
    await app.inject('/v1/me'),
    await app.inject('/nothing'),
    await app.inject('/livez'),
    await app.inject({ method: 'PUT', url: '/v1/me' }),
    await postRaw(app, '/v1/auth/login', '{'),
    await app.inject({ url: '/livez', headers: { 'x-request-id': 'mine', 'request-id': 'mine' } }),
  ];
  const ids = answers.map(({ headers }) => headers['x-request-id']);
  expect(new Set(ids).size).toBe(answers.length);
  for (const [index, { statusCode }] of answers.entries()) {
    const lines = logLines().filter(({ request_id, msg }) => request_id === ids[index] && msg === 'answered');
    expect(lines.map(({ status }) => status)).toEqual([statusCode]);
  }
});

test('names an answer in the log by its request id also when the address cannot be read', async () => {
  const { app, logLines } = await buildTestApp();
  const { request_id } = expectProblem(await app.inject('/%'), 400, 'malformed_request');
  expect(logLines().filter((line) => line.request_id === request_id)).not.toEqual([]);
});
