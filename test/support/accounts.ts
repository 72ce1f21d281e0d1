import type { FastifyInstance, InjectOptions, LightMyRequestResponse as Response } from 'fastify';
import { sql, testDatabaseUrl } from './database.js';
import { startTcpProxy } from './tcp-proxy.js';
import { buildTestApp, COOKIE, PASSWORD } from './test-app.js';

export const NEW_PASSWORD = 'another horse, another battery';

export async function twoInstances(environment: NodeJS.ProcessEnv = {}): Promise<[FastifyInstance, FastifyInstance]> {
  return [(await buildTestApp(environment)).app, (await buildTestApp(environment)).app];
}

/** An instance that cannot hear what Postgres tells: it learns of endings by asking, every two seconds. */
export async function deafInstance(): Promise<FastifyInstance> {
  const proxy = await startTcpProxy(new URL(await testDatabaseUrl()));
  const { app } = await buildTestApp({ DATABASE_DIRECT_URL: proxy.url });
  proxy.cut();
  return app;
}

export const bearer = (accessToken: string) => ({ authorization: `Bearer ${accessToken}` });

export function changePassword(
  app: FastifyInstance,
  accessToken: string,
  { from = PASSWORD, to = NEW_PASSWORD }: { from?: string; to?: string } = {},
  more: InjectOptions = {},
): Promise<Response> {
  return app.inject({
    method: 'POST',
    url: '/v1/auth/password/change',
    payload: { current_password: from, new_password: to },
    ...more,
    headers: { ...bearer(accessToken), ...more.headers },
  });
}

export function leave(app: FastifyInstance, accessToken: string, password = PASSWORD): Promise<Response> {
  return app.inject({ method: 'DELETE', url: '/v1/me', payload: { password }, headers: bearer(accessToken) });
}

export function tryLogIn(app: FastifyInstance, email: string, password = PASSWORD): Promise<Response> {
  return app.inject({ method: 'POST', url: '/v1/auth/login', payload: { email, password } });
}

export function logOut(app: FastifyInstance, refreshToken: string): Promise<Response> {
  return app.inject({ method: 'POST', url: '/v1/auth/logout', headers: { cookie: `${COOKIE}=${refreshToken}` } });
}

export type EventRow = {
  type: string;
  session_id: string | null;
  ip: string | null;
  user_agent: string | null;
  details: Record<string, unknown>;
};

/** What is recorded of a person, oldest first. */
export function eventsOf(userId: string): Promise<EventRow[]> {
  return sql<EventRow>('SELECT * FROM events WHERE user_id = $1 ORDER BY created_at, id', [userId]);
}

export async function eventTypesOf(userId: string): Promise<string[]> {
  return (await eventsOf(userId)).map(({ type }) => type);
}

export async function countLiveSessions(userId: string): Promise<number> {
  const [row] = await sql<{ count: number }>(
    'SELECT count(*)::int FROM sessions WHERE user_id = $1 AND ended_at IS NULL',
    [userId],
  );
  return row?.count ?? 0;
}
