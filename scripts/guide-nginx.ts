/** `npm run guide:nginx`: runs the nginx configurations of the guides before a real service, and signs in through them. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, request as startRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseEnv } from 'node:util';
import { readSnippet } from './guides.js';
import { hasNginx, type RunningNginx, startNginx } from './nginx.js';
import { startService } from './throwaway-service.js';

const COOKIE = '__Host-refresh_token';
const PAGE = { origin: 'https://app.example.com', 'sec-fetch-site': 'same-origin' };
const FOREIGN_PAGE = { origin: 'https://foreign.test', 'sec-fetch-site': 'cross-site' };
const REQUESTS_PER_MINUTE = 60;

if (!(await hasNginx())) {
  console.error('nginx is missing, or has no auth_request. On Debian: apt-get install nginx-light');
  process.exit(1);
}

/** What the gate let through to the API. */
const arrived: { headers: IncomingHttpHeaders; body: string }[] = [];
const api = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  arrived.push({ headers: request.headers, body });
  response.end('from the API');
});
await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));

const service = await startService({
  COOKIE_SECURE: '',
  RATE_LIMIT_PER_MINUTE: String(REQUESTS_PER_MINUTE),
  ...parseEnv(readSnippet('behind-a-proxy.env')),
});
let stopped: Promise<void> | undefined;
/** Once, though a check does it too. */
function stopService(): Promise<void> {
  stopped ??= service.stop();
  return stopped;
}

type Asked = { method?: string; headers?: Record<string, string>; body?: unknown; from?: string; port?: number };

const ports = { app: 0, frontDoor: 0 };

/** A request to nginx, of a client at the address `from`. */
async function ask(path: string, { method = 'GET', headers, body, from = '127.0.0.2', port = ports.app }: Asked = {}) {
  const json = body === undefined ? {} : { 'content-type': 'application/json' };
  const request = startRequest({ port, path, method, localAddress: from, headers: { ...json, ...headers } });
  const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    request.once('response', resolve).once('error', reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
  let text = '';
  for await (const chunk of response) text += chunk;
  const { statusCode: status, headers: answered } = response;
  return { status, headers: answered, text, json: () => JSON.parse(text) };
}

async function register(more: Asked = {}) {
  const body = { email: `${randomBytes(6).toString('hex')}@example.test`, password: 'correct horse battery staple' };
  const answer = await ask('/v1/auth/register', { method: 'POST', headers: PAGE, body, ...more });
  assert.equal(answer.status, 201, answer.text);
  const setCookie = (answer.headers['set-cookie'] ?? []).find((one) => one.startsWith(COOKIE)) ?? '';
  const bearer = { authorization: `Bearer ${answer.json().access_token}` };
  return { ...answer, setCookie, cookie: { cookie: setCookie.split(';')[0] ?? '' }, bearer };
}

const checks: Record<string, () => Promise<void>> = {
  'the app is served at every path of its own': async () => {
    assert.equal((await ask('/')).text, 'the app');
    assert.equal((await ask('/orders/17')).text, 'the app');
    assert.equal((await ask('/readyz')).text, 'the app', 'and Gatehouse’s probes are not');
  },

  'a page signs in, refreshes and signs out': async () => {
    const { setCookie, cookie, bearer, headers } = await register();
    assert.match(setCookie, /Path=\/; HttpOnly; Secure; SameSite=Strict/);
    assert.doesNotMatch(setCookie, /Domain/i);
    assert.equal(headers['cache-control'], 'no-store');
    const refreshed = await ask('/v1/auth/refresh', { method: 'POST', headers: { ...PAGE, ...cookie } });
    assert.equal(refreshed.status, 200, refreshed.text);
    assert.equal((await ask('/v1/me', { headers: bearer })).status, 200);
    const out = await ask('/v1/auth/logout', { method: 'POST', headers: { ...PAGE, ...cookie } });
    assert.equal(out.status, 204);
    assert.equal((await ask('/v1/me', { headers: bearer })).json().code, 'session_ended');
  },

  'a foreign page is refused, for its headers arrive': async () => {
    const { cookie } = await register({ from: '127.0.0.3' });
    const headers = { ...FOREIGN_PAGE, ...cookie };
    const answer = await ask('/v1/auth/refresh', { method: 'POST', headers, from: '127.0.0.3' });
    assert.equal(answer.json().code, 'origin_not_allowed');
  },

  'the keys are there for other services': async () => {
    const answer = await ask('/.well-known/jwks.json', { from: '127.0.0.4' });
    assert.ok(answer.json().keys.length > 0);
    assert.equal(answer.headers['cache-control'], 'public, max-age=300');
  },

  'each client has its own address, whatever it claims': async () => {
    for (const from of ['127.0.0.5', '127.0.0.6']) {
      const { bearer } = await register({ from, headers: { ...PAGE, 'x-forwarded-for': '203.0.113.9' } });
      const [session] = (await ask('/v1/sessions', { headers: bearer, from })).json().sessions;
      assert.equal(session.ip, from);
    }
  },

  'nobody passes the gate without a good token, and apps are told why': async () => {
    const before = arrived.length;
    const none = await ask('/api/orders', { from: '127.0.0.7' });
    assert.equal(none.status, 401);
    assert.match(String(none.headers['www-authenticate']), /^Bearer realm="app.example.com"$/);
    const bad = await ask('/api/orders', { headers: { authorization: 'Bearer x' }, from: '127.0.0.7' });
    assert.equal(bad.status, 401);
    assert.match(String(bad.headers['www-authenticate']), /error="invalid_token"/);
    assert.equal((await ask('/_gatehouse', { from: '127.0.0.7' })).status, 404);
    assert.equal(arrived.length, before);
  },

  'a live session passes the gate, with its token and body and without cookies, until it ends': async () => {
    const { bearer, cookie } = await register({ from: '127.0.0.8' });
    const order = { method: 'POST', headers: { ...bearer, ...cookie }, body: { pieces: 2 }, from: '127.0.0.8' };
    const passed = await ask('/api/orders', order);
    assert.equal(passed.text, 'from the API');
    const { headers, body } = arrived.at(-1) ?? assert.fail('nothing arrived');
    assert.deepEqual(
      { authorization: headers.authorization, cookie: headers.cookie, body },
      { authorization: bearer.authorization, cookie: undefined, body: '{"pieces":2}' },
    );
    await ask('/v1/auth/logout', { method: 'POST', headers: { ...PAGE, ...cookie }, from: '127.0.0.8' });
    const before = arrived.length;
    assert.equal((await ask('/api/orders', order)).status, 401);
    assert.equal(arrived.length, before);
  },

  'the limit counts each client for itself, and the gate turns a 429 into a 500': async () => {
    const { bearer } = await register({ from: '127.0.0.9' });
    for (let i = 0; i < REQUESTS_PER_MINUTE; i += 1) await ask('/v1/me', { headers: bearer, from: '127.0.0.9' });
    assert.equal((await ask('/v1/me', { headers: bearer, from: '127.0.0.9' })).json().code, 'rate_limited');
    assert.equal((await ask('/api/orders', { headers: bearer, from: '127.0.0.9' })).status, 500);
    assert.equal((await ask('/api/orders', { headers: bearer, from: '127.0.0.10' })).status, 200);
  },

  'a front door passes sign-in and refresh on': async () => {
    const through = { port: ports.frontDoor, from: '127.0.0.11', headers: { ...PAGE, origin: 'https://shop.test' } };
    assert.equal((await ask('/', through)).text, 'the app');
    const { cookie } = await register(through);
    const headers = { ...through.headers, ...cookie };
    assert.equal((await ask('/v1/auth/refresh', { ...through, method: 'POST', headers })).status, 200);
  },

  'a front door does not say of its own domain what Gatehouse says of its host': async () => {
    const inFront = await ask('/v1/me', { port: ports.frontDoor, from: '127.0.0.13' });
    assert.equal(inFront.json().code, 'access_token_missing');
    assert.equal(inFront.headers['strict-transport-security'], undefined);
    const under = await ask('/v1/me', { from: '127.0.0.13' });
    assert.match(String(under.headers['strict-transport-security']), /includeSubDomains/);
  },

  'while Gatehouse is away, nobody passes and nobody is told that they are signed out': async () => {
    const { bearer } = await register({ from: '127.0.0.12' });
    await stopService();
    const before = arrived.length;
    assert.equal((await ask('/api/orders', { headers: bearer, from: '127.0.0.12' })).status, 500);
    assert.equal((await ask('/v1/me', { headers: bearer, from: '127.0.0.12' })).status, 502);
    assert.equal(arrived.length, before);
  },
};

async function runChecks(): Promise<number> {
  let failed = 0;
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      console.log(`✓ ${name}`);
    } catch (error) {
      failed += 1;
      console.error(`× ${name}\n${error instanceof Error ? error.stack : error}`);
    }
  }
  return failed;
}

const running: RunningNginx[] = [];
try {
  const gatehouse = `127.0.0.1:${new URL(service.url).port}`;
  const app = await startNginx(readSnippet('nginx/app.conf'), {
    '127.0.0.1:3000': gatehouse,
    '127.0.0.1:8080': `127.0.0.1:${(api.address() as AddressInfo).port}`,
  });
  running.push(app);
  const frontDoor = await startNginx(readSnippet('nginx/front-door.conf'), {
    'proxy_pass https://auth.example.com;': `proxy_pass http://${gatehouse};`,
  });
  running.push(frontDoor);
  Object.assign(ports, { app: app.port, frontDoor: frontDoor.port });
  const failed = await runChecks();
  console.log(`${Object.keys(checks).length - failed} passed, ${failed} failed, 0 skipped`);
  process.exitCode = failed === 0 ? 0 : 1;
} finally {
  for (const { stop } of running) await stop();
  await stopService();
  api.close();
}
