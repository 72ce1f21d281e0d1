import type { InjectOptions } from 'fastify';
import { expect, test } from 'vitest';
import { expectProblem } from '../http/support.js';
import { buildPlaygroundApp, LOCAL } from './support.js';

const OPEN_TO_ALL = [
  ['GET', '/dev/mailbox', 200],
  ['POST', '/dev/faults/lose-next-answer', 204],
  ['GET', '/dev/sessions/0199e0a4-9b2f-7a10-8c4d-2e7f60b1a9d3', 404],
] as const;

const app = () =>
  buildPlaygroundApp({
    ...LOCAL,
    SIMULATED_FAULTS_ENABLED: 'true',
    SMTP_URL: 'memory:',
    MAIL_FROM: 'no-reply@example.test',
    APP_URL: 'http://localhost:3000/playground',
  });

test.each([
  ['localhost', { headers: { host: 'localhost:3000' } }],
  ['127.0.0.1', { headers: { host: '127.0.0.1:3000' } }],
  ['[::1], over IPv6', { headers: { host: '[::1]' }, remoteAddress: '::1' }],
  ['an IPv4 address that IPv6 carries', { headers: { host: 'localhost' }, remoteAddress: '::ffff:127.0.0.1' }],
] satisfies [string, InjectOptions][])('answers this machine under %s', async (_name, options) => {
  const { app: service } = await app();
  for (const [method, url, status] of OPEN_TO_ALL) {
    expect((await service.inject({ method, url, ...options })).statusCode, url).toBe(status);
  }
});

test.each([
  ['another machine of the network', { remoteAddress: '192.0.2.2', headers: { host: 'localhost:3000' } }],
  ['another machine, over IPv6', { remoteAddress: '2001:db8::1', headers: { host: 'localhost:3000' } }],
  ['a name that was led here (DNS rebinding)', { headers: { host: 'evil.example:3000' } }],
  ['a name that begins like this machine', { headers: { host: 'localhost.evil.example' } }],
  ['a proxy or a tunnel', { headers: { host: 'localhost:3000', 'x-forwarded-for': '192.0.2.2' } }],
  ['a proxy by the standard', { headers: { host: 'localhost:3000', forwarded: 'for=192.0.2.2' } }],
] satisfies [string, InjectOptions][])('is as though nothing were there for %s', async (_name, options) => {
  const { app: service } = await app();
  for (const [method, url] of OPEN_TO_ALL) {
    expectProblem(await service.inject({ method, url, ...options }), 404, 'not_found');
  }
});

test('tells a foreign page in the same browser nothing', async () => {
  const { app: service } = await app();
  const headers = { host: 'localhost:3000', 'sec-fetch-site': 'cross-site' };
  for (const [method, url] of OPEN_TO_ALL) {
    expectProblem(await service.inject({ method, url, headers }), 403, 'origin_not_allowed');
  }
});
