import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { buildTestApp, sharedTestApp } from '../../support/test-app.js';
import { exchange, expectProblem } from '../http/support.js';
import { buildPlaygroundApp, LOCAL, PAGE, SCRIPT } from './support.js';

const SCRIPT_URL = '/playground/assets/index-B4f2a.js';

test('the playground is a page at exactly its address, asked for anew each time, under a strict policy', async () => {
  const { app } = await buildPlaygroundApp();
  const page = await app.inject('/playground');
  expect(page.statusCode).toBe(200);
  expect(page.body).toBe(PAGE);
  expect(page.headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-cache',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'content-security-policy':
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  });
  const again = await app.inject({ url: '/playground', headers: { 'if-none-match': page.headers.etag } });
  expect([again.statusCode, again.headers['cache-control']]).toEqual([304, 'no-cache']);
});

test('leads who types a slash at its end to the page', async () => {
  const { app } = await buildPlaygroundApp();
  const response = await app.inject('/playground/');
  expect([response.statusCode, response.headers.location]).toEqual([308, '/playground']);
});

test.each([
  ['a script', SCRIPT_URL, SCRIPT, 'application/javascript; charset=utf-8'],
  ['a style sheet', '/playground/assets/index-C9d1b.css', 'body { margin: 0 }', 'text/css; charset=utf-8'],
])('lets browsers keep its files for a year: %s', async (_name, url, body, type) => {
  const { app } = await buildPlaygroundApp();
  const response = await app.inject(url);
  expect([response.statusCode, response.body]).toEqual([200, body]);
  expect(response.headers).toMatchObject({
    'content-type': type,
    'cache-control': 'public, max-age=31536000, immutable',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none';frame-ancestors 'none';base-uri 'none';form-action 'none'",
  });
});

test('tells its page what there is to show', async () => {
  const bare = await buildPlaygroundApp({ SERVICE_NAME: 'Example' });
  const settings = await bare.app.inject('/playground/settings.json');
  expect(settings.json()).toEqual({ service_name: 'Example', mailbox: false, faults: false });
  expect(settings.headers['cache-control']).toBe('no-store');
  const mail = { SMTP_URL: 'memory:', MAIL_FROM: 'a@example.test', APP_URL: 'http://localhost:3000/playground' };
  const full = await buildPlaygroundApp({ ...LOCAL, ...mail, SIMULATED_FAULTS_ENABLED: 'true' });
  const { mailbox, faults } = (await full.app.inject('/playground/settings.json')).json();
  expect([mailbox, faults]).toEqual([true, true]);
});

test.each(['/playground', '/playground/', '/playground/settings.json', SCRIPT_URL])(
  'answers HEAD as GET without a body, and refuses other methods: %s',
  async (url) => {
    const { app } = await buildPlaygroundApp();
    const [head, get] = [await app.inject({ method: 'HEAD', url }), await app.inject(url)];
    expect([head.statusCode, head.body]).toEqual([get.statusCode, '']);
    expect(head.headers['content-length']).toBe(get.headers['content-length']);
    const posted = await app.inject({ method: 'POST', url });
    expectProblem(posted, 405, 'method_not_allowed');
    expect(String(posted.headers.allow).split(', ').sort()).toEqual(['GET', 'HEAD']);
  },
);

test('has nothing at any other path, however it is spelled', async () => {
  const { app } = await buildPlaygroundApp();
  for (const url of [
    '/playground/index.html',
    '/playground/assets',
    '/playground/assets/',
    '/playground/assets/nothing.js',
    '/playground/assets/../index.html',
    '/playground/assets/../../package.json',
    '/playground/assets/%2e%2e/%2e%2e/package.json',
    '/playground/assets/..%2f..%2fpackage.json',
    '/playground/assets/..%5c..%5cpackage.json',
    '/playground/../package.json',
    '/playground/assets//etc/passwd',
  ]) {
    expectProblem(await app.inject(url), 404, 'not_found');
    // As it stands: an injected request may have been tidied up.
    const raw = await exchange(app, `GET ${url} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
    expect([raw.status, JSON.parse(raw.body).code], url).toEqual([404, 'not_found']);
  }
});

test('counts what is asked of it as any other request', async () => {
  const { app } = await buildPlaygroundApp({ RATE_LIMIT_PER_MINUTE: '2' });
  const statuses = [];
  for (const url of ['/playground', SCRIPT_URL, '/playground/settings.json']) {
    statuses.push((await app.inject(url)).statusCode);
  }
  expect(statuses).toEqual([200, 200, 429]);
});

test('is no part of the documented API', async () => {
  const { app } = await buildPlaygroundApp({ ...LOCAL, DOCS_ENABLED: 'true', SIMULATED_FAULTS_ENABLED: 'true' });
  const { paths } = (await app.inject('/openapi.json')).json();
  expect(Object.keys(paths).filter((url) => !/^\/(v1|livez|readyz|\.well-known)/.test(url))).toEqual([]);
  expect((await app.inject('/docs/')).statusCode).toBe(200);
});

test('says what to run when it is enabled and was not built', async () => {
  const building = buildTestApp({ PLAYGROUND_ENABLED: 'true' }, { playgroundFolder: tmpdir() });
  await expect(building).rejects.toThrow(
    /^PLAYGROUND_ENABLED=true, but the playground is not built\. Run: npm run build$/,
  );
});

test.each(['/playground', '/playground/', '/playground/settings.json', SCRIPT_URL])(
  'is not there unless it is enabled: %s',
  async (url) => {
    const { app } = await sharedTestApp();
    expectProblem(await app.inject(url), 404, 'not_found');
  },
);
