import { type AddressInfo, connect } from 'node:net';
import bcrypt from 'bcrypt';
import type { FastifyInstance } from 'fastify';
import { Piscina } from 'piscina';
import { expect, onTestFinished, test, vi } from 'vitest';
import { sql } from '../../support/database.js';
import { buildTestApp, freshEmail, PASSWORD, register } from '../../support/test-app.js';
import { countUsers, expectProblem, post } from './support.js';

test('refuses a password that is easy to guess with advice, and hashes nothing', async () => {
  const { app, logLines } = await buildTestApp({
    SERVICE_NAME: 'Sternwarte',
    ISSUER_URL: 'https://login.kometen.test',
  });
  const hashes = vi.spyOn(Piscina.prototype, 'run');
  onTestFinished(() => hashes.mockRestore());
  const email = freshEmail();
  const [local = '', domain = ''] = email.split('@');
  for (const password of ['password1', 'P4$$w0rd!', 'Sternwarte1', 'kometen2026', email, `${local}1`, `x${domain}`]) {
    const response = await post(app, '/v1/auth/register', { email, password });
    const { errors = [] } = expectProblem(response, 422, 'password_rejected');
    expect(errors.length, password).toBeGreaterThanOrEqual(2);
    for (const { path, message } of errors) {
      expect(path).toBe('/password');
      expect(message).toMatch(/^[A-Z].*\.$/);
    }
    expect(response.body).not.toContain(password);
  }
  for (const [task] of hashes.mock.calls) expect(Object.keys(task)).toEqual(['password', 'context']);
  expect(await countUsers(email)).toBe(0);
  expect(JSON.stringify(logLines())).not.toMatch(/P4\$\$w0rd|Sternwarte1|kometen2026/);
});

test('asks for no capitals, digits or signs', async () => {
  const { app } = await buildTestApp();
  expect((await register(app, { password: 'four plain words together' })).userId).toBeTruthy();
});

test('verifies as sent: a password in NFC is not the one in NFD, at registration or at sign-in', async () => {
  const { app } = await buildTestApp();
  const [nfc, nfd] = ['crème brûlée 7'.normalize('NFC'), 'crème brûlée 7'.normalize('NFD')];
  for (const [own, other] of [
    [nfc, nfd],
    [nfd, nfc],
  ]) {
    const { email } = await register(app, { password: own });
    expect((await post(app, '/v1/auth/login', { email, password: own })).statusCode).toBe(200);
    expect((await post(app, '/v1/auth/login', { email, password: other })).statusCode).toBe(401);
  }
});

test('checks a hash from elsewhere as bcrypt made it, and from the first sign-in on the whole password', async () => {
  const { app } = await buildTestApp();
  const { email } = await register(app);
  const store = (hash: string) => sql('UPDATE users SET password_hash = $2 WHERE email = $1', [email, hash]);
  const status = async (password: string) => (await post(app, '/v1/auth/login', { email, password })).statusCode;
  const long = 'x'.repeat(72);

  // bcrypt cannot tell these two apart; which of them comes first is then the password.
  await store(bcrypt.hashSync(`${long}a`, 4));
  expect(await status(`${long.slice(1)}a`)).toBe(401);
  expect(await status(`${long}a`)).toBe(200);
  expect(await status(`${long}b`)).toBe(401);
  expect(await status(`${long}a`)).toBe(200);
});

async function holdsLogin(app: FastifyInstance) {
  const { port } = app.server.address() as AddressInfo;
  const body = JSON.stringify({ email: freshEmail(), password: PASSWORD });
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  socket.on('error', () => {});
  socket.write(
    `POST /v1/auth/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  return { hangUp: () => socket.destroy(), status: () => /^HTTP\/1.1 (\d+)/.exec(answer)?.[1] };
}

test('forgets a sign-in that waits when its client hangs up, answers the others, and takes new ones', async () => {
  const { app, logLines } = await buildTestApp({ HASH_CONCURRENCY: '1', HASH_QUEUE: '3' });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const hashes = vi.spyOn(Piscina.prototype, 'run');
  onTestFinished(() => hashes.mockRestore());
  // The first hash takes as long as this test wants; all else is real.
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  hashes.mockImplementationOnce(async function (this: Piscina, task) {
    await held;
    return this.run(task);
  });

  const running = await holdsLogin(app);
  await expect.poll(() => hashes.mock.calls.length, { interval: 5 }).toBe(1);
  const others = [await holdsLogin(app), await holdsLogin(app), await holdsLogin(app), await holdsLogin(app)];
  await expect.poll(() => others.filter((one) => one.status() === '503').length, { interval: 5 }).toBe(1);
  const [first, second, third] = others.filter((one) => one.status() === undefined);
  expectProblem(await tryLogin(app), 503, 'overloaded');

  first?.hangUp();
  second?.hangUp();
  await expect.poll(() => logLines().filter(({ cause }) => /client left/.test(String(cause))).length).toBe(2);
  const later = tryLogin(app);
  release();
  expect((await later).statusCode).toBe(401);
  await expect.poll(() => [running.status(), third?.status()]).toEqual(['401', '401']);
  // The first (once held, once made), the one that stayed, and the later one: those that hung up were never hashed.
  expect(hashes.mock.calls.length).toBe(4);
});

test('answers on a connection that is kept: an answer before is no hanging up', async () => {
  const { app } = await buildTestApp({ HASH_CONCURRENCY: '1' });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const { email } = await register(app);
  for (let time = 0; time < 5; time += 1) {
    const response = await fetch(`${url}/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email, password: PASSWORD }),
    });
    expect(response.status).toBe(200);
    await response.arrayBuffer();
  }
});

const tryLogin = (app: FastifyInstance) => post(app, '/v1/auth/login', { email: freshEmail(), password: PASSWORD });
