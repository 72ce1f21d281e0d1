import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { findFreePort } from '../../scripts/embedded-postgres.js';
import { createBreachCheck } from '../../src/modules/passwords/breach-check.js';
import { buildTestApp, freshEmail, PASSWORD } from '../support/test-app.js';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let url: string;
let answer: Answer;
let asked: IncomingMessage[];
const server = createServer((request, response) => {
  asked.push(request);
  answer(request, response);
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/range/`;
});
beforeEach(() => {
  asked = [];
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const digest = (password: string) => createHash('sha1').update(password, 'utf8').digest('hex').toUpperCase();
const OTHERS = ['0'.repeat(34), 'F'.repeat(34)].map((rest, index) => `${index}${rest}:${index + 7}`);
const range = (...lines: string[]): Answer => {
  return (_request, response) => response.end([...OTHERS, ...lines].join('\r\n'));
};
const entry = (password: string, count: number) => `${digest(password).slice(5)}:${count}`;

async function check(password = PASSWORD) {
  const told = { outcomes: [] as string[], reasons: [] as string[] };
  const isBreached = createBreachCheck({
    url,
    onChecked: (outcome) => told.outcomes.push(outcome),
    onError: (reason) => told.reasons.push(reason),
  });
  const startedAt = performance.now();
  const breached = await isBreached(password);
  return { breached, ...told, milliseconds: performance.now() - startedAt };
}

test('sends the first five digits of the SHA-1 of the exact bytes and nothing else, and asks for padding', async () => {
  answer = range();
  for (const password of [PASSWORD, 'crème'.normalize('NFC'), 'crème'.normalize('NFD'), '🐎 🔋']) {
    asked = [];
    expect(await check(password)).toMatchObject({ breached: false, outcomes: ['clean'], reasons: [] });
    const [request] = asked;
    expect(request?.url).toBe(`/range/${digest(password).slice(0, 5)}`);
    expect(request?.headers['add-padding']).toBe('true');
    const sent = JSON.stringify([request?.url, request?.rawHeaders]);
    expect(sent).not.toContain(digest(password).slice(5, 12));
    expect(sent).not.toContain(password);
    expect(request?.headers).not.toHaveProperty('cookie');
  }
});

test('finds a breached password, and takes no padding for one', async () => {
  answer = range(entry(PASSWORD, 52_579));
  expect(await check()).toMatchObject({ breached: true, outcomes: ['breached'] });
  answer = range(entry(PASSWORD, 0));
  expect(await check()).toMatchObject({ breached: false, outcomes: ['clean'] });
  answer = range(entry('another password', 12));
  expect(await check()).toMatchObject({ breached: false, outcomes: ['clean'] });
});

test.each<[string, Answer, RegExp]>([
  ['never answers', () => {}, /in time/],
  [
    'begins to answer and stops',
    (_request, response) => {
      response.write(`${OTHERS[0]}\r\n`);
    },
    /in time/,
  ],
  [
    'answers 500',
    (_request, response) => {
      response.statusCode = 500;
      response.end(entry(PASSWORD, 1));
    },
    /answered 500/,
  ],
  ['answers a page', (_request, response) => void response.end('<html>Sign in to the hotel'), /not a list/],
  ['answers half a list', range(entry(PASSWORD, 3), 'ABC'), /not a list/],
  ['answers without an end', (_request, response) => void response.end(`${OTHERS[0]}\r\n`.repeat(20_000)), /too long/],
  [
    'leads elsewhere',
    (_request, response) => {
      response.writeHead(302, { location: '/elsewhere' });
      response.end();
    },
    /could not be asked/,
  ],
  ['hangs up', (request) => void request.socket.destroy(), /could not be asked/],
])('lets a password pass, within the time limit, when the other side %s', async (_name, misbehave, reason) => {
  answer = misbehave;
  const { breached, outcomes, reasons, milliseconds } = await check();
  expect({ breached, outcomes }).toEqual({ breached: false, outcomes: ['failed'] });
  expect(reasons).toEqual([expect.stringMatching(reason)]);
  expect(reasons.join()).not.toContain(digest(PASSWORD).slice(0, 5));
  expect(milliseconds).toBeLessThan(2_500);
  expect(asked).toHaveLength(1);
});

test('refuses a breached password at registration, lets people in while nobody can be asked, and counts both', async () => {
  const METRICS_PORT = String(await findFreePort());
  const { app, logLines } = await buildTestApp({ BREACH_CHECK_URL: url.replace(/\/$/, ''), METRICS_PORT });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const tryRegister = (password: string) =>
    app.inject({ method: 'POST', url: '/v1/auth/register', payload: { email: freshEmail(), password } });

  answer = range(entry(PASSWORD, 3));
  const refused = await tryRegister(PASSWORD);
  expect(refused.json()).toMatchObject({ status: 422, code: 'password_rejected' });
  expect(refused.json().errors[0]).toMatchObject({
    path: '/password',
    message: expect.stringContaining('data breach'),
  });
  expect((await tryRegister('another password')).statusCode).toBe(201);
  answer = (_request, response) => void response.writeHead(503).end();
  expect((await tryRegister(PASSWORD)).statusCode).toBe(201);

  // What is too weak in itself is told to nobody.
  const before = asked.length;
  expect((await tryRegister('password1')).statusCode).toBe(422);
  expect(asked.length).toBe(before);

  const metrics = await (await fetch(`http://127.0.0.1:${METRICS_PORT}/metrics`)).text();
  for (const outcome of ['clean', 'breached', 'failed']) {
    expect(metrics).toContain(`gatehouse_breach_checks_total{outcome="${outcome}"} 1`);
  }
  const warnings = logLines().filter(({ level, reason }) => level === 'warn' && reason !== undefined);
  expect(warnings).toEqual([expect.objectContaining({ reason: 'it answered 503' })]);
  const logged = JSON.stringify(logLines());
  for (const secret of [PASSWORD, digest(PASSWORD).slice(0, 5)]) expect(logged).not.toContain(secret);
});
