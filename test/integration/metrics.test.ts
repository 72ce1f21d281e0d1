import { expect, test } from 'vitest';
import { findFreePort } from '../../scripts/embedded-postgres.js';
import { freshDatabaseUrl } from '../support/database.js';
import { buildTestApp, getMe, readTokens, refresh, register } from '../support/test-app.js';

test('tells Prometheus on a port of its own what came of refreshes, and how endings are heard', async () => {
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
  expect((await getMe(app, second.accessToken)).statusCode).toBe(401);

  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  expect(response.headers.get('content-type')).toContain('text/plain');
  const text = await response.text();
  for (const line of [
    'gatehouse_refreshes_total{outcome="rotated"} 2',
    'gatehouse_refreshes_total{outcome="repeated"} 1',
    'gatehouse_refreshes_total{outcome="reused"} 1',
    'gatehouse_refreshes_total{outcome="refused"} 1',
    'gatehouse_listener_up 1',
    'gatehouse_ended_sessions 1',
  ]) {
    expect(text).toContain(line);
  }
  for (const secret of [person.sessionId, person.userId, person.email]) expect(text).not.toContain(secret);
  expect((await app.inject('/metrics')).statusCode).toBe(404);

  await app.close();
  await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow();
});
