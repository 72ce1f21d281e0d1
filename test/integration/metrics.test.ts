import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { findFreePort } from '../../scripts/embedded-postgres.js';
import { freshDatabaseUrl } from '../support/database.js';
import { buildMailApp } from '../support/mail-app.js';
import { EVENTUALLY, startMailServer } from '../support/mail-server.js';
import {
  buildTestApp,
  freshEmail,
  getMe,
  logIn,
  PASSWORD,
  readTokens,
  refresh,
  register,
} from '../support/test-app.js';

test('tells Prometheus on a port of its own what came of refreshes and guesses, and how endings are heard', async () => {
  const port = await findFreePort();
  const { app } = await buildTestApp({
    METRICS_PORT: String(port),
    DATABASE_URL: await freshDatabaseUrl({ migrated: true }),
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const person = await register(app);
  const second = readTokens(await refresh(app, person.refreshToken));
  await refresh(app, person.refreshToken);
  await refresh(app, second.refreshToken);
  await refresh(app, 'garbage');
  await refresh(app, person.refreshToken);
  await logIn(app, person.email);
  for (const password of Array(7).fill('a wrong guess')) {
    await app.inject({ method: 'POST', url: '/v1/auth/login', payload: { email: person.email, password } });
  }
  expect((await getMe(app, second.accessToken)).statusCode).toBe(401);

  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  expect(response.headers.get('content-type')).toContain('text/plain');
  const text = await response.text();
  for (const line of [
    'gatehouse_refreshes_total{outcome="rotated"} 2',
    'gatehouse_refreshes_total{outcome="repeated"} 1',
    'gatehouse_refreshes_total{outcome="reused"} 1',
    'gatehouse_refreshes_total{outcome="refused"} 1',
    'gatehouse_guesses_total{purpose="sign_in",outcome="right"} 1',
    'gatehouse_guesses_total{purpose="sign_in",outcome="wrong"} 5',
    'gatehouse_guesses_total{purpose="sign_in",outcome="delayed"} 2',
    'gatehouse_listener_up 1',
    'gatehouse_ended_sessions 1',
    'gatehouse_reuse_incidents_total 1',
    'gatehouse_passwords{state="running"} 0',
    'gatehouse_database_connections{state="waiting"} 0',
    'gatehouse_http_request_seconds_count{method="POST",route="/v1/auth/refresh",status="200"} 3',
  ]) {
    expect(text).toContain(line);
  }
  for (const secret of [person.sessionId, person.userId, person.email]) expect(text).not.toContain(secret);
  expect((await app.inject('/metrics')).statusCode).toBe(404);

  await app.close();
  await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow();
});

test('tells what came of mails, and how many wait or were given up', async () => {
  const port = await findFreePort();
  const server = await startMailServer({
    refuse: (recipient) => (recipient.startsWith('never') ? { code: 550, message: 'no' } : undefined),
  });
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const { app } = await buildMailApp(server, { METRICS_PORT: String(port), DATABASE_URL });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { email } = await register(app);
  const never = `never-${email}`;
  await app.inject({ method: 'POST', url: '/v1/auth/register', payload: { email: never, password: PASSWORD } });
  await app.inject({ method: 'POST', url: '/v1/auth/email/resend', payload: { email: freshEmail() } });
  const metrics = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  for (const line of [
    'gatehouse_mails_total{outcome="sent"} 1',
    'gatehouse_mails_total{outcome="dead"} 1',
    'gatehouse_mails_total{outcome="dropped"} 1',
    'gatehouse_outbox_mails{state="waiting"} 0',
    'gatehouse_outbox_mails{state="dead"} 1',
  ]) {
    await expect.poll(metrics, EVENTUALLY).toContain(line);
  }
  expect(await metrics()).not.toContain('example.test');
});

test('counts requests by route and never by path: a flood of made-up addresses and methods makes no new series', async () => {
  const port = await findFreePort();
  const { app } = await buildTestApp({
    METRICS_PORT: String(port),
    DATABASE_URL: await freshDatabaseUrl({ migrated: true }),
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const series = async () => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return text.split('\n').filter((line) => line.startsWith('gatehouse_http_request_seconds_count'));
  };
  await app.inject('/no/such/path');
  const before = (await series()).length;
  for (let count = 0; count < 200; count += 1) {
    await app.inject({ url: `/made/up/${count}?token=a-canary`, method: count % 2 === 0 ? 'GET' : 'POST' });
    await app.inject({ url: `/v1/sessions/${crypto.randomUUID()}`, method: 'DELETE' });
  }
  for (const method of ['PUT', 'PATCH', 'PROPFIND', 'LOCK', 'SEARCH', 'TRACE', 'MKCOL'] as const) {
    await app.inject({ url: '/livez', method: method as 'PUT' });
  }
  const after = await series();
  expect(after.length).toBeLessThanOrEqual(before + 3);
  expect(after.join()).not.toMatch(/canary|made/);
});

test('a port for metrics that is taken ends the start, and says which', async () => {
  const { createServer } = await import('node:net');
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as { port: number };
  const { app } = await buildTestApp({ METRICS_PORT: String(port) });
  await expect(app.listen({ host: '127.0.0.1', port: 0 })).rejects.toThrow(`EADDRINUSE`);
  taken.close();
});

test('docs/metrics.md has a line for every metric of the service, and none besides', async () => {
  const port = await findFreePort();
  const { app } = await buildTestApp({
    METRICS_PORT: String(port),
    // Two of them are there only with Redis, whether or not it answers.
    REDIS_URL: 'redis://127.0.0.1:1',
    DATABASE_URL: await freshDatabaseUrl({ migrated: true }),
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const served = [...text.matchAll(/^# TYPE (gatehouse_\w+)/gm)].map(([, name]) => name);
  const written = [...readFileSync('docs/metrics.md', 'utf8').matchAll(/^\| `(gatehouse_\w+)` \|/gm)].map(
    ([, name]) => name,
  );
  expect(written.sort()).toEqual(served.sort());
});

test('says nothing of Redis where there is none: being down would be no news', async () => {
  const port = await findFreePort();
  const { app } = await buildTestApp({
    METRICS_PORT: String(port),
    DATABASE_URL: await freshDatabaseUrl({ migrated: true }),
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  expect(text).not.toContain('gatehouse_redis');
  expect(text).toMatch(/gatehouse_cleanup_last_success_timestamp_seconds 1\.?\d+/);
});
