import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import Fastify, { type FastifyInstance } from 'fastify';
import { decodeProtectedHeader, type JWTPayload } from 'jose';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { findFreePort } from '../../../scripts/embedded-postgres.js';
import { openDatabase } from '../../../src/database/database.js';
import { createSigningKeyRepository } from '../../../src/modules/tokens/signing-key-repository.js';
import { decideRotation } from '../../../src/modules/tokens/signing-key-schedule.js';
import { createKeyRing } from '../../../src/shared/key-ring.js';
import { bearer } from '../../support/accounts.js';
import { freshDatabaseUrl } from '../../support/database.js';
import { buildTestApp, getMe, register, TEST_SECRET } from '../../support/test-app.js';
import { encode, keyThatSigned, partsOf, signingKeysOf, signJwt } from '../http/forge.js';
import { unpackGuides } from './unpack.js';

/** Gatehouse, listening at its own issuer address, on a database whose keys are this test's alone. */
async function listeningGatehouse(environment: NodeJS.ProcessEnv = {}) {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const port = await findFreePort();
  const issuer = `http://127.0.0.1:${port}`;
  const { app } = await buildTestApp({ DATABASE_URL, ISSUER_URL: issuer, COOKIE_SECURE: 'false', ...environment });
  await app.listen({ port });
  return { app, issuer, DATABASE_URL };
}

type Answer = { status: number; challenge: string | null; claims: JWTPayload | null };
type Ask = (headers: Record<string, string>) => Promise<Answer>;

/** The guide's gate for `Request` and `Response`. */
async function joseGate(folder: string): Promise<Ask> {
  const { gate } = await import(path.join(folder, 'verify/gate.ts'));
  return async (headers) => {
    const outcome = await gate(new Request('https://api.example.com/', { headers }));
    if (!(outcome instanceof Response)) return { status: 200, challenge: null, claims: outcome };
    return { status: outcome.status, challenge: outcome.headers.get('www-authenticate'), claims: null };
  };
}

/** The guide's gate for Fastify, before one route. */
async function fastifyGate(folder: string): Promise<Ask> {
  const { guard } = await import(path.join(folder, 'verify/fastify-gate.ts'));
  const api = Fastify();
  onTestFinished(() => api.close());
  await api.register(async (scope) => {
    await guard(scope);
    scope.get('/', async ({ user }) => user);
  });
  return async (headers) => {
    const { statusCode: status, headers: answered, body } = await api.inject({ url: '/', headers });
    const claims = status === 200 ? JSON.parse(body) : null;
    return { status, challenge: answered['www-authenticate']?.toString() ?? null, claims };
  };
}

/** Another key signs from now on, and the app knows. */
async function rotate(app: FastifyInstance, DATABASE_URL: string): Promise<void> {
  const from = (await signingKeysOf(DATABASE_URL)).find(({ status }) => status === 'active')?.kid;
  const database = openDatabase({ url: DATABASE_URL, poolSize: 1, log: { warn: () => {} } });
  const keys = createSigningKeyRepository(database, createKeyRing([Buffer.from(TEST_SECRET, 'base64url')]));
  await keys.change((all, now) => decideRotation(all, now, { from, evenIfUnpublished: true }), { whenLocked: 'wait' });
  const next = (await keys.list()).find(({ status }) => status === 'next')?.kid;
  await database.$disconnect();
  const published = async () => (await app.inject('/.well-known/jwks.json')).body;
  await expect.poll(published).toContain(next);
}

/** Only the calendar: the verifier goes by that. */
function passTime(seconds: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + seconds * 1000 });
  onTestFinished(() => void vi.useRealTimers());
}

function strangersKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/** The oldest trick: the public key taken for a shared secret. */
function signedWithPublicKey(header: object, claims: unknown, key: KeyObject): string {
  const input = `${encode({ ...header, alg: 'HS256' })}.${encode(claims)}`;
  const secret = createPublicKey(key).export({ type: 'spki', format: 'pem' });
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

const gates = [
  ['jose', joseGate],
  ['@fastify/jwt', fastifyGate],
] as const;

describe.each(gates)('the guide’s verifier with %s', (_library, openGate) => {
  test('lets a token pass, and tells whose it is', async () => {
    const { app, issuer } = await listeningGatehouse();
    const ask = await openGate(await unpackGuides(issuer));
    const person = await register(app);
    const answer = await ask(bearer(person.accessToken));
    expect(answer).toMatchObject({ status: 200, claims: { sub: person.userId, sid: person.sessionId } });
  });

  test('refuses all that is no access token for it, with the challenge by which apps refresh', async () => {
    const { app, issuer, DATABASE_URL } = await listeningGatehouse();
    const ask = await openGate(await unpackGuides(issuer));
    const elsewhere = await buildTestApp({ DATABASE_URL, ISSUER_URL: issuer, COOKIE_SECURE: 'false', AUDIENCE: 'x' });
    const otherIssuer = await buildTestApp({ DATABASE_URL, AUDIENCE: issuer });
    const person = await register(app, { transport: 'body' });
    const { header, claims, signature } = partsOf(person.accessToken);
    const key = await keyThatSigned(person.accessToken, DATABASE_URL);
    const { iss: _, ...withoutIssuer } = claims;
    const refused: Record<string, string> = {
      'another audience': (await register(elsewhere.app)).accessToken,
      'another issuer': (await register(otherIssuer.app)).accessToken,
      'no issuer': signJwt(header, withoutIssuer, key),
      'a refresh token': person.refreshToken,
      'no signature': `${encode({ ...header, alg: 'none' })}.${encode(claims)}.`,
      'no signature under the true algorithm': `${encode(header)}.${encode(claims)}.`,
      'another type': signJwt({ ...header, typ: 'JWT' }, claims, key),
      'no kid': signJwt({ typ: header.typ, alg: header.alg }, claims, key),
      'a kid that nobody knows': signJwt({ ...header, kid: 'none-such' }, claims, strangersKey()),
      'a stranger’s signature': signJwt(header, claims, strangersKey()),
      'other claims under a true signature': `${encode(header)}.${encode({ ...claims, sub: 'me' })}.${signature}`,
      'the public key as a secret': signedWithPublicKey(header, claims, key),
      'another algorithm': signJwt({ ...header, alg: 'RS256' }, claims, key),
      'no JSON': 'a.b.c',
      'no JWT': 'x',
    };
    for (const [what, token] of Object.entries(refused)) {
      expect(await ask(bearer(token)), what).toEqual({
        status: 401,
        challenge: 'Bearer error="invalid_token"',
        claims: null,
      });
    }
    expect(await ask({}), 'no token').toEqual({ status: 401, challenge: 'Bearer', claims: null });
    expect((await ask(bearer(person.accessToken))).status, 'the true one').toBe(200);
  });

  test('refuses an expired token', async () => {
    const { app, issuer } = await listeningGatehouse();
    const ask = await openGate(await unpackGuides(issuer));
    const { accessToken } = await register(app);
    expect((await ask(bearer(accessToken))).status).toBe(200);
    passTime(601);
    expect((await ask(bearer(accessToken))).status).toBe(401);
  });

  test('goes on through key rotations, and fetches keys again no more often than every 30 seconds', async () => {
    const { app, issuer, DATABASE_URL } = await listeningGatehouse();
    const ask = await openGate(await unpackGuides(issuer));
    const old = (await register(app)).accessToken;
    expect((await ask(bearer(old))).status).toBe(200);

    await rotate(app, DATABASE_URL);
    const published = (await register(app)).accessToken;
    expect(decodeProtectedHeader(published).kid).not.toBe(decodeProtectedHeader(old).kid);
    expect((await ask(bearer(published))).status, 'signed by a key that was published before').toBe(200);

    await rotate(app, DATABASE_URL);
    const unpublished = (await register(app)).accessToken;
    expect((await ask(bearer(unpublished))).status, 'signed by a key that is newer than the last fetch').toBe(401);
    passTime(31);
    expect((await ask(bearer(unpublished))).status, 'half a minute later').toBe(200);
    expect((await ask(bearer(old))).status, 'the key before').toBe(200);
  });

  test('lets a token of an ended session pass until it expires, as the guide says', async () => {
    const { app, issuer } = await listeningGatehouse();
    const folder = await unpackGuides(issuer);
    const ask = await openGate(folder);
    const { isSessionLive } = await import(path.join(folder, 'verify/live-session.ts'));
    const { accessToken, refreshToken } = await register(app, { transport: 'body' });
    expect(await isSessionLive(accessToken)).toBe(true);
    await app.inject({ method: 'POST', url: '/v1/auth/logout', payload: { refresh_token: refreshToken } });
    expect((await getMe(app, accessToken)).json().code).toBe('session_ended');
    expect((await ask(bearer(accessToken))).status).toBe(200);
    expect(await isSessionLive(accessToken)).toBe(false);
  });

  test('says 503 and not 401 when Gatehouse cannot be asked for its keys', async () => {
    const { app } = await listeningGatehouse();
    const folder = await unpackGuides(`http://127.0.0.1:${await findFreePort()}`);
    const ask = await openGate(folder);
    const { isSessionLive } = await import(path.join(folder, 'verify/live-session.ts'));
    const { accessToken } = await register(app);
    expect((await ask(bearer(accessToken))).status).toBe(503);
    await expect(isSessionLive(accessToken)).rejects.toThrow();
  });
});

test('@fastify/jwt left alone answers 500 to a token of another type, as the guide warns', async () => {
  const { app, issuer, DATABASE_URL } = await listeningGatehouse();
  const folder = await unpackGuides(issuer);
  const guarded = await readFile(path.join(folder, 'verify/fastify-gate.ts'), 'utf8');
  await writeFile(path.join(folder, 'verify/left-alone.ts'), guarded.replace(/catch \(error\) \{/, '$& throw error;'));
  const { guard } = await import(path.join(folder, 'verify/left-alone.ts'));
  const api = Fastify();
  onTestFinished(() => api.close());
  await guard(api);
  api.get('/', async () => 'in');
  const { accessToken } = await register(app);
  const { header, claims } = partsOf(accessToken);
  const otherType = signJwt({ ...header, typ: 'JWT' }, claims, await keyThatSigned(accessToken, DATABASE_URL));
  const statusOf = async (token: string) => (await api.inject({ url: '/', headers: bearer(token) })).statusCode;
  expect(await statusOf(accessToken)).toBe(200);
  expect(await statusOf(otherType)).toBe(500);
});
