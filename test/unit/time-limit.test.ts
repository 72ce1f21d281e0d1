import { setTimeout as sleep } from 'node:timers/promises';
import Fastify, { type FastifyInstance } from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import { TIME_LIMIT_MS, timeLimit } from '../../src/plugins/time-limit.js';
import { underPressure } from '../../src/plugins/under-pressure.js';
import { DomainError } from '../../src/shared/domain-error.js';

const TOO_LONG_MS = TIME_LIMIT_MS + 1_200;

async function build(register: (app: FastifyInstance) => void, spentHashing = () => 0): Promise<FastifyInstance> {
  const app = Fastify();
  onTestFinished(() => app.close());
  app.setErrorHandler((error, _request, reply) =>
    reply.code(503).send({ code: error instanceof DomainError ? error.code : String(error) }),
  );
  await app.register(timeLimit, { spentHashing });
  register(app);
  return app;
}

test('a handler that takes too long is answered 503, and what it sends later goes nowhere', async () => {
  let throughAfter = 0;
  const app = await build((routes) => {
    routes.post('/slow', async (_request, reply) => {
      const startedAt = performance.now();
      await sleep(TOO_LONG_MS);
      throughAfter = performance.now() - startedAt;
      return reply.header('x-late', 'yes').send({ code: 'late' });
    });
  });
  const startedAt = performance.now();
  const answer = await app.inject({ method: 'POST', url: '/slow', payload: {} });
  expect(performance.now() - startedAt).toBeLessThan(TOO_LONG_MS);
  expect([answer.statusCode, answer.json()]).toEqual([503, { code: 'unavailable' }]);
  await expect.poll(() => throughAfter, { timeout: 5_000 }).toBeGreaterThan(0);
});

test('time that passwords take does not count', async () => {
  let startedAt: number | undefined;
  const app = await build(
    (routes) => {
      routes.get('/hashing', async () => {
        startedAt ??= performance.now();
        await sleep(TOO_LONG_MS);
        return { code: 'done' };
      });
    },
    () => performance.now() - (startedAt ?? 0),
  );
  expect((await app.inject('/hashing')).json()).toEqual({ code: 'done' });
});

test('a process that was held up does not blame the handler', async () => {
  const app = await build((routes) => {
    routes.get('/held', async () => {
      setTimeout(() => {
        const until = performance.now() + TIME_LIMIT_MS;
        while (performance.now() < until);
      }, 200);
      await sleep(TIME_LIMIT_MS + 300);
      return { code: 'done' };
    });
  });
  expect((await app.inject('/held')).json()).toEqual({ code: 'done' });
});

test('what is quick, throws or answers by itself is left alone', async () => {
  const app = await build((routes) => {
    routes.get('/quick', async () => ({ code: 'quick' }));
    routes.get('/throws', async () => {
      throw new DomainError('not_found');
    });
    routes.get('/sends', (_request, reply) => {
      reply.send({ code: 'sent' });
    });
  });
  for (const [url, code] of [
    ['/quick', 'quick'],
    ['/throws', 'not_found'],
    ['/sends', 'sent'],
  ] as const) {
    expect((await app.inject(url)).json()).toEqual({ code });
  }
});

test('a process that lags refuses what comes, answers probes, and recovers', async () => {
  const app = Fastify();
  onTestFinished(() => app.close());
  app.setErrorHandler((error, _request, reply) =>
    reply.code(503).send({ code: error instanceof DomainError ? error.code : String(error) }),
  );
  await app.register(underPressure, { maxEventLoopDelayMs: 50 });
  app.get('/work', async () => ({ code: 'done' }));
  app.get('/livez', { config: { probe: true } }, async () => ({ code: 'alive' }));
  await app.ready();
  const lag = setInterval(() => {
    const until = performance.now() + 150;
    while (performance.now() < until);
  }, 1);
  onTestFinished(() => clearInterval(lag));
  const codeOf = async (url: string) => (await app.inject(url)).json().code;
  await expect.poll(() => codeOf('/work'), { timeout: 10_000 }).toBe('overloaded');
  expect(await codeOf('/livez')).toBe('alive');
  clearInterval(lag);
  await expect.poll(() => codeOf('/work'), { timeout: 10_000 }).toBe('done');
});
