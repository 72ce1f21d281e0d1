import { randomBytes } from 'node:crypto';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse as Response } from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import { findFreePort } from '../../../scripts/embedded-postgres.js';
import { buildStartingApp } from '../../../src/app-starting.js';
import { loadConfig } from '../../../src/config.js';
import { type Operation, operationsOf, readOpenApi, sampleBody, urlOf } from '../../support/openapi.js';
import { buildTestApp, register, type SignedIn, sharedTestApp, testEnvironment } from '../../support/test-app.js';
import { bearer, exchange } from './support.js';

/** What holds for every operation of the OpenAPI document, those included that somebody adds tomorrow. */
const OPERATIONS = operationsOf(readOpenApi());

const SECURITY_HEADERS = {
  'content-security-policy': "default-src 'none';frame-ancestors 'none';base-uri 'none';form-action 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

function expectSecurityHeaders(what: string, headers: Record<string, unknown>): void {
  expect({ what, ...headers }).toMatchObject({ what, ...SECURITY_HEADERS });
  expect(headers['cache-control'], what).toMatch(/^no-store$|^public, max-age=300$/);
  for (const telling of ['server', 'x-powered-by', 'via', 'etag']) expect(headers, what).not.toHaveProperty(telling);
}

test('carries the security headers in every answer of every operation, in refusals as in successes', async () => {
  const { app } = await sharedTestApp({ ALLOWED_ORIGINS: 'https://app.example.test' });
  const person = await register(app);
  const statuses = new Set<number>();
  for (const operation of OPERATIONS) {
    const { method, id } = operation;
    const url = urlOf(operation);
    const requests: InjectOptions[] = [
      { method, url },
      { method, url, headers: bearer('garbage') },
      { method, url, headers: bearer(person.accessToken), payload: { unknown: true } },
      { method, url, headers: { origin: 'https://evil.example', cookie: '__Host-refresh_token=x' } },
      { method, url, headers: { origin: 'https://app.example.test' } },
      { method: 'PUT', url },
      { method: 'OPTIONS', url },
      { method, url, payload: '{', headers: { 'content-type': 'application/json' } },
      { method, url, payload: 'x'.repeat(20_000), headers: { 'content-type': 'application/json' } },
    ];
    for (const request of requests) {
      const response = await app.inject(request);
      statuses.add(response.statusCode);
      expectSecurityHeaders(`${id}: ${JSON.stringify(request).slice(0, 200)}`, response.headers);
    }
  }
  for (const url of ['/nothing', '/%']) expectSecurityHeaders(url, (await app.inject(url)).headers);
  expect([...statuses].sort()).toEqual(expect.arrayContaining([200, 204, 400, 401, 403, 405, 413, 422]));
});

test.each([
  ['bytes of TLS', Buffer.from('1603010200010001fc0303', 'hex')],
  ['a header of 20 KB', `GET / HTTP/1.1\r\nHost: x\r\na: ${'x'.repeat(20_000)}\r\n\r\n`],
  ['TRACE', 'TRACE /v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
])('carries the security headers also in the answer to %s', async (name, request) => {
  const { app } = await sharedTestApp();
  expectSecurityHeaders(name, (await exchange(app, request)).headers);
});

test('carries the security headers also while the service waits for its database', async () => {
  const app = buildStartingApp(loadConfig(await testEnvironment({ LOG_LEVEL: 'silent' })), {});
  onTestFinished(() => app.close());
  for (const url of ['/livez', '/readyz', '/v1/me', '/v1/auth/login']) {
    expectSecurityHeaders(url, (await app.inject(url)).headers);
  }
});

/** Headers that somebody reads: this service, a proxy, a library, or an eager developer. */
const HEADERS = [
  ...['accept', 'accept-encoding', 'accept-language', 'authorization', 'baggage', 'cf-connecting-ip', 'client-ip'],
  ...['content-type', 'cookie', 'dpop', 'expect-ct', 'forwarded', 'from', 'host', 'idempotency-key', 'if-none-match'],
  ...['last-event-id', 'origin', 'prefer', 'proxy-authorization', 'range', 'referer', 'sec-fetch-site', 'traceparent'],
  ...[
    'tracestate',
    'true-client-ip',
    'upgrade',
    'user-agent',
    'via',
    'x-api-key',
    'x-forwarded-for',
    'x-forwarded-host',
  ],
  ...['x-forwarded-proto', 'x-http-method-override', 'x-original-url', 'x-real-ip', 'x-request-id', 'x-requested-with'],
];

test('leaves no trace of what is in any field, parameter or header of any operation in logs, metrics or errors', async () => {
  const port = await findFreePort();
  const { app, logText } = await buildTestApp({ LOG_LEVEL: 'trace', METRICS_PORT: String(port) });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const mark = `canary${randomBytes(6).toString('hex')}`;
  const ask = await asker(app);
  let requests = 0;
  for (const operation of OPERATIONS) {
    for (const [place, request] of placesFor(operation)) {
      requests += 1;
      const response = await ask(operation, request(`${mark}x${requests}`));
      // 501: no mail is configured here.
      expect([500, 502, 503], `${operation.id}, ${place}`).not.toContain(response.statusCode);
      if (response.statusCode < 400) continue;
      expect(`${response.body}${JSON.stringify(response.headers)}`, `${operation.id}, ${place}`).not.toContain(mark);
    }
  }
  expect(requests).toBeGreaterThan(1_000);
  const traces = logText()
    .split('\n')
    .filter((line) => line.includes(mark));
  expect(traces.slice(0, 3)).toEqual([]);
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  expect(metrics).toContain('gatehouse_');
  expect(metrics).not.toContain(mark);
}, 60_000);

type Request = Pick<InjectOptions, 'headers' | 'payload' | 'url'>;

/** Every place of an operation in which one may put something, and the request that has it there. */
function placesFor(operation: Operation): [place: string, (canary: string) => Request][] {
  const body = (more: object): Request => ({ payload: { ...sampleBody(operation), ...more } });
  const inBody = Object.keys(operation.body?.properties ?? {}).flatMap(
    (name): ReturnType<typeof placesFor> => [
      [`text in ${name}`, (canary) => body({ [name]: canary })],
      [`an address in ${name}`, (canary) => body({ [name]: `${canary}@example.test` })],
      [`a long text in ${name}`, (canary) => body({ [name]: canary.repeat(50) })],
      [`an object in ${name}`, (canary) => body({ [name]: { contains: canary } })],
      [`a list in ${name}`, (canary) => body({ [name]: [canary] })],
      [`NUL in ${name}`, (canary) => body({ [name]: `${canary}\0` })],
    ],
  );
  const inParameters = operation.parameters.map(({ name }): ReturnType<typeof placesFor>[number] => [
    `the parameter ${name}`,
    (canary) => ({ url: urlOf(operation, { [name]: canary }), payload: sampleBody(operation) }),
  ]);
  const inHeaders = HEADERS.map((name): ReturnType<typeof placesFor>[number] => [
    `the header ${name}`,
    (canary) => ({
      ...body({}),
      headers: { [name]: name === 'cookie' ? `__Host-refresh_token=${canary}; ${canary}=${canary}` : canary },
    }),
  ]);
  return [...inBody, ...inParameters, ...inHeaders];
}

/** Asks as somebody who is signed in, and as somebody new once that changed something. */
async function asker(app: FastifyInstance) {
  let person: SignedIn | undefined;
  return async (operation: Operation, request: Request): Promise<Response> => {
    person ??= await register(app);
    const { method } = operation;
    const { payload, ...rest } = request;
    const response = await app.inject({
      method,
      url: urlOf(operation),
      ...(operation.body && payload !== undefined ? { payload } : {}),
      ...rest,
      headers: { ...(operation.guarded ? bearer(person.accessToken) : {}), ...request.headers },
    });
    if (operation.guarded && method !== 'GET' && response.statusCode < 300) person = undefined;
    return response;
  };
}
