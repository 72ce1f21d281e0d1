import { sessionIdOf } from '../ids.js';
import { byTurns, median, ratios } from '../interleave.js';
import { closedLoop } from '../load/closed-loop.js';
import { requestBytes } from '../load/connection.js';
import { built } from '../processes/built.js';
import { atLeast, type Row } from '../row.js';

const SESSIONS = 10_000;

export const refresh: Row = {
  name: 'refresh',
  title: 'Refreshes, the whole request',
  targets: { 'a bare Fastify route doing one ES256 signature': atLeast(0.6) },
  async measure({ child, database, effort, secret, service }) {
    const sessions = await database({ people: SESSIONS, sessions: SESSIONS });
    const { port } = await service(sessions.url);
    const bare = await child('processes/bare.ts');
    const refreshes = await refreshLoop(port, secret, SESSIONS);
    const cookie = `${COOKIE}=${'x'.repeat(72)}`;
    const sign = requestBytes('POST', '/sign', { cookie });
    const signatures = closedLoop({ port: bare.port, next: () => sign });
    const seconds = effort.short ? 1 : 5;
    const rates = await byTurns(effort, {
      service: () => refreshes.run(seconds),
      alone: () => signatures.run(seconds),
    });
    const rounds = ratios(rates.service, rates.alone);
    const details = { refreshes_per_second: median(rates.service), signatures_per_second: median(rates.alone) };
    return { 'a bare Fastify route doing one ES256 signature': { value: median(rounds), rounds, details } };
  },
};

const COOKIE = '__Host-refresh_token';

/** Refreshes sessions in turn, each with the cookie that it got the last time. */
export async function refreshLoop(port: number, secret: string, sessions: number) {
  const { createKeyRing } = (await import(
    built('shared/key-ring.js')
  )) as typeof import('../../src/shared/key-ring.js');
  const { encodeRefreshToken } = (await import(
    built('modules/sessions/refresh-token.js')
  )) as typeof import('../../src/modules/sessions/refresh-token.js');
  const keys = createKeyRing([Buffer.from(secret, 'base64url')]).current;
  const tokens = Array.from({ length: sessions }, (_, index) =>
    encodeRefreshToken({ sessionId: sessionIdOf(index), generation: 1 }, keys),
  );
  return inTurn(
    port,
    '/v1/auth/refresh',
    tokens.map((token) => `${COOKIE}=${token}`),
  );
}

/** Posts with cookies in turn; whoever is answered with another one comes with that the next time. */
export function inTurn(port: number, path: string, cookies: string[]) {
  const waiting = cookies.map((cookie) => requestBytes('POST', path, { cookie }));
  // A queue in two parts: taking from the front of a long list takes long.
  let coming: Buffer[] = [];
  return closedLoop({
    port,
    next() {
      if (waiting.length === 0) {
        waiting.push(...coming.reverse());
        coming = [];
      }
      const request = waiting.pop();
      if (request === undefined) throw new Error('More are in flight than there are sessions.');
      return request;
    },
    heard({ head }) {
      coming.push(requestBytes('POST', path, { cookie: cookiesOf(head) }));
    },
  });
}

function cookiesOf(head: string): string {
  const cookies = [...head.matchAll(/\r\nset-cookie: *([^;\r]+)/gi)].map(([, pair]) => pair);
  if (cookies.length === 0) throw new Error(`No cookie came:\n${head}`);
  return cookies.join('; ');
}
