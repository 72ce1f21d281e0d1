import Fastify from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import type { AccessClaims } from '../../src/modules/tokens/access-claims.js';
import { errors } from '../../src/plugins/errors.js';
import { decorateWithAuth, guard } from '../../src/plugins/gate.js';
import { rateLimits } from '../../src/plugins/rate-limits.js';
import { DomainError } from '../../src/shared/domain-error.js';

const NOW_SECONDS = 1_800_000_000;
const claimsOf = (token: string) =>
  ({ sub: 'ada', sid: `session of ${token}`, gen: 4, auth_time: NOW_SECONDS - 900 }) as AccessClaims;

/** A guarded route on tokens that are good when they are called so; what was verified once is remembered. */
async function build(options: { endReason?: string } = {}) {
  const seen: string[] = [];
  const passed: AccessClaims[] = [];
  const remembered = new Map<string, AccessClaims>();
  const app = Fastify();
  onTestFinished(() => app.close());
  await app.register(rateLimits, { perMinute: 0, credentialsPerMinute: 0 });
  await app.register(errors, { realm: 'auth.example.test' });
  decorateWithAuth(app);
  await app.register(async (scope) => {
    guard(scope, {
      accessTokens: {
        recall: (token) => remembered.get(token),
        async verify(token) {
          seen.push(token);
          if (token !== 'good') throw new DomainError('access_token_invalid', { bearerError: 'invalid_token' });
          const claims = claimsOf(token);
          remembered.set(token, claims);
          return claims;
        },
      },
      endedSessions: { reasonOf: (sessionId) => (sessionId === 'session of good' ? options.endReason : undefined) },
      clock: { now: () => NOW_SECONDS * 1000 },
      onFirstPass: (claims) => void passed.push(claims),
    });
    scope.get('/who', async (request) => ({
      sub: request.auth.sub,
      guarded: request.routeOptions.config.guarded,
    }));
    scope.get('/recent', { config: { requireRecentAuth: 900 } }, async () => ({ recent: true }));
    scope.get(
      '/very-recent',
      {
        config: { requireRecentAuth: 899 },
        preHandler: async () => {
          throw new Error('asked before the sign-in was found too old');
        },
      },
      async () => ({ recent: true }),
    );
    scope.get(
      '/own-hook',
      { config: { requireRecentAuth: 900 }, preHandler: async (_request, reply) => reply.send({ own: true }) },
      async () => ({}),
    );
  });
  const ask = (url: string, authorization?: string) =>
    app.inject({ url, ...(authorization === undefined ? {} : { headers: { authorization } }) });
  return { ask, seen, passed };
}

test('lets a good token pass, tells who it is, and verifies it once', async () => {
  const { ask, seen, passed } = await build();
  for (let time = 0; time < 2; time += 1) {
    const answer = await ask('/who', 'Bearer good');
    expect([answer.statusCode, answer.json()]).toEqual([200, { sub: 'ada', guarded: true }]);
  }
  expect(seen).toEqual(['good']);
  expect(passed).toEqual([claimsOf('good')]);
});

test('reserves the place of auth on every request, so that all have one shape', async () => {
  const app = Fastify();
  onTestFinished(() => app.close());
  decorateWithAuth(app);
  app.get('/open', async (request) => ({ auth: request.auth }));
  expect((await app.inject('/open')).json()).toEqual({ auth: null });
});

test('refuses a request without a token, with a challenge that names no error', async () => {
  const { ask, seen } = await build();
  const answer = await ask('/who');
  expect([answer.statusCode, answer.json().code]).toEqual([401, 'access_token_missing']);
  expect(answer.headers['www-authenticate']).toBe('Bearer realm="auth.example.test"');
  expect(seen).toEqual([]);
});

test('refuses a bad token, and what the service behind it does is never asked', async () => {
  const { ask, passed } = await build();
  const answer = await ask('/who', 'Bearer bad');
  expect([answer.statusCode, answer.json().code]).toEqual([401, 'access_token_invalid']);
  expect(answer.headers['www-authenticate']).toContain('error="invalid_token"');
  expect(passed).toEqual([]);
});

test('refuses a good token of a session that has ended, remembered or not, and says why', async () => {
  const { ask, passed } = await build({ endReason: 'logout' });
  for (let time = 0; time < 2; time += 1) {
    const answer = await ask('/who', 'Bearer good');
    expect([answer.statusCode, answer.json()]).toEqual([
      401,
      expect.objectContaining({ code: 'session_ended', reason: 'logout' }),
    ]);
    expect(answer.headers['www-authenticate']).toContain('error="invalid_token"');
  }
  expect(passed).toEqual([]);
});

test('lets a sign-in pass that is just recent enough, and no older one', async () => {
  const { ask } = await build();
  expect((await ask('/recent', 'Bearer good')).json()).toEqual({ recent: true });
  const answer = await ask('/very-recent', 'Bearer good');
  expect([answer.statusCode, answer.json().code]).toEqual([401, 'insufficient_user_authentication']);
  expect(answer.headers['www-authenticate']).toContain('max_age=899');
  expect((await ask('/recent', 'Bearer bad')).statusCode).toBe(401);
});

test('leaves a route its own hooks', async () => {
  const { ask } = await build();
  expect((await ask('/own-hook', 'Bearer good')).json()).toEqual({ own: true });
});
