import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FastifyInstance } from 'fastify';
import { expect, onTestFinished } from 'vitest';
import { buildTestApp, freshEmail, PASSWORD, type TestApp } from '../../support/test-app.js';

/** On this machine, as `npm run dev` configures it. */
export const LOCAL = { ISSUER_URL: 'http://localhost:3000', COOKIE_SECURE: 'false' };

export const PAGE = '<!doctype html><title>Playground</title>';
export const SCRIPT = 'console.log("playground");';

/** A folder such as Vite makes, in no time. */
async function builtPlayground(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-playground-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await mkdir(path.join(folder, 'assets'));
  await writeFile(path.join(folder, 'index.html'), PAGE);
  await writeFile(path.join(folder, 'assets/index-B4f2a.js'), SCRIPT);
  await writeFile(path.join(folder, 'assets/index-C9d1b.css'), 'body { margin: 0 }');
  return folder;
}

export async function buildPlaygroundApp(environment: NodeJS.ProcessEnv = {}): Promise<TestApp> {
  return buildTestApp({ PLAYGROUND_ENABLED: 'true', ...environment }, { playgroundFolder: await builtPlayground() });
}

type Tokens = { accessToken: string; refreshToken: string; sessionId: string };

export type Browser = ReturnType<typeof browserOf>;

/** Talks to a service over real sockets, as no injected request does. */
export async function startWithFaults(): Promise<{ browser: Browser; logLines: TestApp['logLines'] }> {
  const { app, logLines } = await buildPlaygroundApp({ ...LOCAL, SIMULATED_FAULTS_ENABLED: 'true' });
  await app.listen({ host: '127.0.0.1', port: 0 });
  return { browser: browserOf(app), logLines };
}

function browserOf(app: FastifyInstance) {
  const { port } = app.server.address() as AddressInfo;
  const origin = `http://127.0.0.1:${port}`;

  function call(url: string, { headers = {}, body }: { headers?: Record<string, string>; body?: object } = {}) {
    const isPost = !/^\/(v1\/(me|sessions)|dev\/(sessions|mailbox)|playground|livez|readyz)/.test(url);
    return fetch(origin + url, {
      method: isPost ? 'POST' : 'GET',
      redirect: 'manual',
      headers: { ...headers, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  }

  async function signIn(): Promise<Tokens> {
    const answer = await call('/v1/auth/register', { body: { email: freshEmail(), password: PASSWORD } });
    expect(answer.status).toBe(201);
    return readTokens(answer);
  }

  const refresh = (refreshToken: string) =>
    call('/v1/auth/refresh', { headers: { cookie: `refresh_token=${refreshToken}` } });

  /** Refreshes so often, and tells the tokens of all generations, the first one first. */
  async function signInAndRefresh(times: number): Promise<Tokens[]> {
    const generations = [await signIn()];
    for (let time = 0; time < times; time += 1) {
      generations.push(await readTokens(await refresh(generations.at(-1)?.refreshToken ?? '')));
    }
    return generations;
  }

  const withBearer = (accessToken: string) => ({ authorization: `Bearer ${accessToken}` });

  async function sessionState(id: string) {
    const answer = await call(`/dev/sessions/${id}`);
    expect(answer.status).toBe(200);
    return (await answer.json()) as Record<string, unknown>;
  }

  return { origin, call, signIn, refresh, signInAndRefresh, withBearer, sessionState };
}

export async function readTokens(answer: Response): Promise<Tokens> {
  const body = (await answer.json()) as { access_token: string; session: { id: string } };
  const refreshToken = /refresh_token=([^;]+)/.exec(answer.headers.get('set-cookie') ?? '')?.[1] ?? '';
  expect(refreshToken).toHaveLength(72);
  return { accessToken: body.access_token, refreshToken, sessionId: body.session.id };
}
