import type { FastifyInstance } from 'fastify';
import { onTestFinished } from 'vitest';
import { freshEmail, PASSWORD, sharedTestApp } from '../../test/support/test-app.js';
import { type AuthEvent, type ClientOptions, createClient } from '../src/index.js';

export type Call = { method: string; url: string; token: string | null };

/** What stands between a client and the service: passes on, or answers in its place, or throws. */
export type Line = (request: Request, pass: (request: Request) => Promise<Response>) => Promise<Response>;

/** A client in Node, with a token store in memory, at a real service; `line` may get in the way. */
export async function startClient(
  options: Partial<ClientOptions> & { stored?: Map<string, string>; line?: Line } = {},
) {
  const { stored = new Map<string, string>(), line = (request, pass) => pass(request), ...rest } = options;
  const { app } = await sharedTestApp();
  const baseUrl = await addressOf(app);
  const calls: Call[] = [];
  const events: AuthEvent[] = [];
  const client = createClient({
    baseUrl,
    tokenStore: {
      getItem: async (key) => stored.get(key) ?? null,
      setItem: async (key, value) => void stored.set(key, value),
      removeItem: async (key) => void stored.delete(key),
    },
    fetch: async (input, init) => {
      const request = new Request(input, init);
      const token = request.headers.get('authorization')?.replace('Bearer ', '') ?? null;
      calls.push({ method: request.method, url: request.url.replace(baseUrl, ''), token });
      return line(request, (passed) => fetch(passed));
    },
    ...rest,
  });
  client.subscribe((event) => events.push(event));
  onTestFinished(() => client.close());
  await client.ready;
  const countOf = (url: string) => calls.filter((call) => call.url === url).length;
  return { client, app, baseUrl, stored, calls, events, countOf };
}

/** As `startClient`, and somebody new is signed in. */
export async function startSignedIn(options: Parameters<typeof startClient>[0] = {}) {
  const started = await startClient(options);
  const email = freshEmail();
  await started.client.register({ email, password: PASSWORD });
  started.events.length = started.calls.length = 0;
  const { id } = started.client.session ?? {};
  return { ...started, email, sessionId: id ?? '' };
}

async function addressOf(app: FastifyInstance): Promise<string> {
  if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 });
  return app.listeningOrigin;
}
