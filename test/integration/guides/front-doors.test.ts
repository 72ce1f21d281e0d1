import { parseEnv } from 'node:util';
import type { FastifyInstance } from 'fastify';
import { expect, test } from 'vitest';
import { readSnippet } from '../../../scripts/guides.js';
import { bearer } from '../../support/accounts.js';
import { buildTestApp, COOKIE, cookieOf, freshEmail, PASSWORD } from '../../support/test-app.js';

/** Gatehouse with the settings that a guide prints. */
async function gatehouseOf(file: string): Promise<FastifyInstance> {
  return (await buildTestApp(parseEnv(readSnippet(file)))).app;
}

function register(app: FastifyInstance, headers: Record<string, string>, remoteAddress = '127.0.0.1') {
  const payload = { email: freshEmail(), password: PASSWORD };
  return app.inject({ method: 'POST', url: '/v1/auth/register', payload, headers, remoteAddress });
}

function refreshFrom(app: FastifyInstance, cookie: string | undefined, headers: Record<string, string>) {
  const all = { cookie: `${COOKIE}=${cookie}`, ...headers };
  return app.inject({ method: 'POST', url: '/v1/auth/refresh', headers: all });
}

test('a front door needs no CORS, keeps the strict cookie, and lets no other origin act', async () => {
  const app = await gatehouseOf('front-door.env');
  const modern = { origin: 'https://shop.test', 'sec-fetch-site': 'same-origin' };
  const signedIn = await register(app, modern);
  expect(signedIn.statusCode).toBe(201);
  expect(signedIn.headers['set-cookie']?.toString()).toMatch(/^__Host-refresh_token=.*Secure; SameSite=Strict/);
  const cookie = cookieOf(signedIn);
  expect((await refreshFrom(app, cookie, { origin: 'https://shop.test' })).statusCode, 'an old browser').toBe(200);
  const foreign = { origin: 'https://foreign.test', 'sec-fetch-site': 'cross-site' };
  expect((await refreshFrom(app, cookie, foreign)).json().code).toBe('origin_not_allowed');
});

test('a sibling that is listed may use the session, another page of the same site may not', async () => {
  const app = await gatehouseOf('sibling.env');
  const listed = { origin: 'https://app.example.com', 'sec-fetch-site': 'same-site' };
  const signedIn = await register(app, listed);
  expect(signedIn.statusCode).toBe(201);
  expect(signedIn.headers).toMatchObject({
    'access-control-allow-origin': 'https://app.example.com',
    'access-control-allow-credentials': 'true',
  });
  expect(signedIn.headers['set-cookie']?.toString()).toContain('SameSite=Strict');
  const blog = { origin: 'https://blog.example.com', 'sec-fetch-site': 'same-site' };
  const refused = await refreshFrom(app, cookieOf(signedIn), blog);
  expect(refused.json().code).toBe('origin_not_allowed');
  expect(refused.headers).not.toHaveProperty('access-control-allow-origin');
  expect((await refreshFrom(app, cookieOf(signedIn), listed)).statusCode).toBe(200);
});

test('an app on another site gets a cookie that is sent there, and only listed origins may use it', async () => {
  const app = await gatehouseOf('cross-site.env');
  const listed = { origin: 'https://shop.test', 'sec-fetch-site': 'cross-site' };
  const signedIn = await register(app, listed);
  expect(signedIn.headers['set-cookie']?.toString()).toMatch(/Secure; SameSite=None/);
  expect((await refreshFrom(app, cookieOf(signedIn), listed)).statusCode).toBe(200);
  const foreign = { origin: 'https://foreign.test', 'sec-fetch-site': 'cross-site' };
  expect((await refreshFrom(app, cookieOf(signedIn), foreign)).json().code).toBe('origin_not_allowed');
});

test('behind a trusted proxy a session has the client’s address, whatever the client put in front of it', async () => {
  const app = await gatehouseOf('behind-a-proxy.env');
  const ipOf = async (forwarded: string, proxy: string) => {
    const signedIn = await register(app, { 'x-forwarded-for': forwarded }, proxy);
    const list = await app.inject({ url: '/v1/sessions', headers: bearer(signedIn.json().access_token) });
    return list.json().sessions[0].ip;
  };
  expect(await ipOf('198.51.100.7', '127.0.0.1')).toBe('198.51.100.7');
  expect(await ipOf('203.0.113.1, 198.51.100.7', '127.0.0.1')).toBe('198.51.100.7');
  expect(await ipOf('198.51.100.7', '192.0.2.9'), 'from somebody who is no proxy').toBe('192.0.2.9');
});
