import { connect, createServer, type Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { Redis } from 'ioredis';
import { expect, onTestFinished, test } from 'vitest';
import { startRedis as start } from '../../scripts/faults/redis.js';
import { buildTestApp } from '../support/test-app.js';

const PER_MINUTE = 20;
/** What is promised, with room for a machine that does other things too. */
const ANSWER_MS = 250 * 4;

async function startRedis() {
  const redis = await start();
  onTestFinished(() => redis.signal('SIGKILL'));
  return redis;
}

function build(REDIS_URL: string) {
  return buildTestApp({
    REDIS_URL,
    RATE_LIMIT_CREDENTIALS_PER_MINUTE: String(PER_MINUTE),
    RATE_LIMIT_PER_MINUTE: '1000',
    TRUSTED_PROXIES: '127.0.0.1',
  });
}

let addresses = 0;
const nextAddress = () => {
  addresses += 1;
  return `198.51.100.${addresses}`;
};

async function attempt(app: FastifyInstance, address: string) {
  const startedAt = performance.now();
  const answer = await app.inject({
    method: 'POST',
    url: '/v1/auth/password/reset',
    payload: { token: 'x'.repeat(43), new_password: 'correct horse battery staple' },
    headers: { 'x-forwarded-for': address },
  });
  return { status: answer.statusCode, answer, ms: performance.now() - startedAt };
}

/** More than may pass, at the apps by turns. @returns how many passed, and the slowest answer */
async function flood(apps: FastifyInstance[], address = nextAddress()) {
  const answers = [];
  for (let count = 0; count < PER_MINUTE * 3; count += 1) {
    answers.push(await attempt(apps[count % apps.length] as FastifyInstance, address));
  }
  for (const { status } of answers) expect([400, 429]).toContain(status);
  return {
    passed: answers.filter(({ status }) => status !== 429).length,
    slowest: Math.max(...answers.map(({ ms }) => ms)),
  };
}

test('two instances count one address together, and tell it the same as one would', async () => {
  const redis = await startRedis();
  const [a, b] = await Promise.all([build(redis.url), build(redis.url)]);
  await expect.poll(async () => (await flood([a.app, b.app])).passed, { timeout: 10_000 }).toBe(PER_MINUTE);
  const address = nextAddress();
  const first = await attempt(a.app, address);
  const second = await attempt(b.app, address);
  expect(first.answer.headers['ratelimit-remaining']).toBe(String(PER_MINUTE - 1));
  expect(second.answer.headers['ratelimit-remaining']).toBe(String(PER_MINUTE - 2));
});

test.each(['SIGKILL', 'SIGSTOP'] as const)(
  'when Redis goes (%s) each instance limits by its own counts, quickly, says so once, and shares again when it is back',
  async (signal) => {
    const redis = await startRedis();
    const [a, b] = await Promise.all([build(redis.url), build(redis.url)]);
    const apps = [a.app, b.app];
    await expect.poll(async () => (await flood(apps)).passed, { timeout: 10_000 }).toBe(PER_MINUTE);

    await redis.signal(signal);
    const { passed, slowest } = await flood(apps);
    expect(passed).toBeLessThanOrEqual(2 * PER_MINUTE);
    expect(passed).toBeGreaterThanOrEqual(PER_MINUTE);
    expect(slowest).toBeLessThan(ANSWER_MS);
    for (const { logLines } of [a, b]) {
      expect(logLines().filter(({ event }) => event === 'redis_gone')).toHaveLength(1);
    }

    await (signal === 'SIGKILL' ? redis.start() : redis.signal('SIGCONT'));
    await expect.poll(async () => (await flood(apps)).passed, { timeout: 30_000 }).toBe(PER_MINUTE);
    for (const { logLines } of [a, b]) {
      expect(logLines().filter(({ event }) => event === 'redis_back')).toHaveLength(1);
    }
  },
);

test('an instance whose Redis goes in the middle of a flood goes on from what it has seen', async () => {
  const redis = await startRedis();
  const { app } = await build(redis.url);
  const address = nextAddress();
  await expect.poll(async () => (await flood([app])).passed, { timeout: 10_000 }).toBe(PER_MINUTE);
  for (let count = 0; count < PER_MINUTE; count += 1) expect((await attempt(app, address)).status).toBe(400);
  await redis.signal('SIGKILL');
  expect((await attempt(app, address)).status).toBe(429);
});

test('starts and limits while Redis has never been there', async () => {
  const { app } = await build('redis://127.0.0.1:1');
  expect((await app.inject('/readyz')).statusCode).toBe(200);
  expect((await flood([app])).passed).toBe(PER_MINUTE);
});

test('starts and limits while what is there never answers', async () => {
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void silent.close());
  const { port } = silent.address() as { port: number };
  const { app } = await build(`redis://127.0.0.1:${port}`);
  const { passed, slowest } = await flood([app]);
  expect(passed).toBe(PER_MINUTE);
  expect(slowest).toBeLessThan(ANSWER_MS);
});

test('Redis is told no address, and the log no password', async () => {
  const redis = await startRedis();
  const withPassword = redis.url.replace('redis://', 'redis://someone:a-canary-password@');
  const { app, logText } = await build(redis.url);
  const refused = await build(withPassword);
  await expect
    .poll(async () => (await flood([app], '203.0.113.77')).passed, { timeout: 10_000 })
    .toBeLessThan(PER_MINUTE);
  await flood([refused.app]);
  const client = new Redis(redis.url);
  onTestFinished(() => client.disconnect());
  const keys = await client.keys('*');
  expect(keys.length).toBeGreaterThan(0);
  for (const key of keys) expect(key).toMatch(/^gatehouse:(credentials|requests):[\w-]{43}$/);
  for (const key of keys) expect(await client.pttl(key)).toBeGreaterThan(0);
  expect(logText() + refused.logText()).not.toContain('a-canary-password');
});

test('a connection that died without a word is opened anew', async () => {
  const redis = await startRedis();
  const mute = new Set<Socket>();
  const open = new Set<Socket>();
  const proxy = createServer((inbound) => {
    const outbound = connect(Number(new URL(redis.url).port), '127.0.0.1');
    open.add(inbound);
    for (const socket of [inbound, outbound]) socket.on('error', () => {});
    inbound.on('data', (chunk) => {
      if (!mute.has(inbound)) outbound.write(chunk);
    });
    outbound.on('data', (chunk) => inbound.write(chunk));
    inbound.once('close', () => outbound.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
    proxy.close();
  });
  const { port } = proxy.address() as { port: number };
  const url = `redis://127.0.0.1:${port}`;
  const [a, b] = await Promise.all([build(url), build(url)]);
  const apps = [a.app, b.app];
  await expect.poll(async () => (await flood(apps)).passed, { timeout: 10_000 }).toBe(PER_MINUTE);
  for (const socket of open) mute.add(socket);
  expect((await flood(apps)).passed).toBeGreaterThan(PER_MINUTE);
  await expect.poll(async () => (await flood(apps)).passed, { timeout: 30_000, interval: 500 }).toBe(PER_MINUTE);
});
