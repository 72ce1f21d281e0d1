import { createServer } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { run, waitForOutput } from '../support/processes.js';
import { freshEmail, testEnvironment } from '../support/test-app.js';

type Value = { stringValue?: string; intValue?: number };
type Span = {
  name: string;
  traceId: string;
  parentSpanId?: string;
  attributes: { key: string; value: Value }[];
  events?: unknown[];
};
type Export = {
  resourceSpans: { resource: { attributes: { key: string; value: Value }[] }; scopeSpans: { spans: Span[] }[] }[];
};

/** A collector that keeps what it is sent. */
async function startCollector() {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      bodies.push(body);
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  const exports = () => bodies.map((body) => JSON.parse(body) as Export);
  const spans = () =>
    exports().flatMap(({ resourceSpans }) =>
      resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)),
    );
  return { url: `http://127.0.0.1:${port}`, text: () => bodies.join('\n'), exports, spans };
}

async function startServer(environment: NodeJS.ProcessEnv) {
  const server = run('src/server.ts', [], await testEnvironment({ PORT: '0', ...environment }));
  const [, url = ''] = await waitForOutput(server, /Server listening at (http:[^"]+)/);
  return { ...server, url };
}

const attribute = (span: Span | undefined, name: string) => {
  const value = span?.attributes.find(({ key }) => key === name)?.value;
  return value?.stringValue ?? value?.intValue;
};

test('traces a request and its statements, and says nothing in them that was sent', async () => {
  const collector = await startCollector();
  const server = await startServer({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_SERVICE_NAME: 'sign-in of the tests',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=trial',
  });
  const email = freshEmail();
  const password = 'a canary password that nobody guesses';
  const post = (path: string, body: object, headers = {}) =>
    fetch(`${server.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  const registered = await post(
    '/v1/auth/register?canary=in-the-query',
    { email, password },
    {
      'x-canary': 'in-a-header',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      tracestate: 'vendor=canary',
    },
  );
  expect(registered.status).toBe(201);
  const { access_token: accessToken, user } = (await registered.json()) as {
    access_token: string;
    user: { id: string };
  };
  const cookie = registered.headers.get('set-cookie')?.split(';')[0] ?? '';
  const [, refreshToken = ''] = cookie.split('=');
  expect((await post('/v1/auth/refresh', {}, { cookie })).status).toBe(200);
  await post('/v1/auth/login', { email, password: 'a canary that is wrong' });
  await fetch(`${server.url}/v1/me`, { headers: { authorization: `Bearer ${accessToken}` } });
  await fetch(`${server.url}/no/such/a-canary-in-the-path`);
  server.signal('SIGTERM');
  expect(await server.exit).toBe(0);

  const spans = collector.spans();
  const refreshed = spans.find(({ name }) => name === 'POST /v1/auth/refresh');
  expect(attribute(refreshed, 'http.route')).toBe('/v1/auth/refresh');
  expect(Number(attribute(refreshed, 'http.response.status_code'))).toBe(200);
  expect(attribute(refreshed, 'request_id')).toMatch(/^[0-9a-f-]{36}$/);
  const statements = spans.filter((span) => span.traceId === refreshed?.traceId && attribute(span, 'db.query.text'));
  expect(statements.map((span) => attribute(span, 'db.query.text')).join()).toMatch(/UPDATE sessions/);
  expect(spans.map(({ name }) => name)).toEqual(expect.arrayContaining(['GET /v1/me', 'POST /v1/auth/login']));

  const resource = collector.exports()[0]?.resourceSpans[0]?.resource.attributes ?? [];
  const named = Object.fromEntries(resource.map(({ key, value }) => [key, value.stringValue]));
  expect(named).toMatchObject({ 'service.name': 'sign-in of the tests', 'deployment.environment.name': 'trial' });

  for (const secret of ['canary', email, user.id, accessToken, refreshToken]) {
    expect(collector.text()).not.toContain(secret);
  }
});

test('a collector that is away costs no request anything, and hardly delays the end', async () => {
  const server = await startServer({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:1/v1/traces' });
  const answers = await Promise.all(Array.from({ length: 20 }, () => fetch(`${server.url}/.well-known/jwks.json`)));
  for (const { status } of answers) expect(status).toBe(200);
  server.signal('SIGTERM');
  expect(await server.exit).toBe(0);
});

test('traces nothing when it is switched off', async () => {
  const collector = await startCollector();
  const server = await startServer({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_SDK_DISABLED: 'true' });
  expect((await fetch(`${server.url}/.well-known/jwks.json`)).status).toBe(200);
  server.signal('SIGTERM');
  await server.exit;
  expect(collector.spans()).toEqual([]);
});
