import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { expect } from 'vitest';
import { openDatabase } from '../../../src/database/database.js';
import type { StoredSigningKey } from '../../../src/modules/tokens/signing-key-repository.js';
import { createSigningKeyRepository } from '../../../src/modules/tokens/signing-key-repository.js';
import { createKeyRing } from '../../../src/shared/key-ring.js';
import { testDatabaseUrl } from '../../support/database.js';
import { buildTestApp, getMe, register, type SignedIn, sharedTestApp, TEST_SECRET } from '../../support/test-app.js';
import { expectProblem, sessionRow } from './support.js';

export type Json = Record<string, unknown>;

/** The service's own signing keys with their private halves, newest first. */
export async function signingKeysOf(databaseUrl?: string): Promise<StoredSigningKey[]> {
  const database = openDatabase({
    url: databaseUrl ?? (await testDatabaseUrl()),
    poolSize: 1,
    log: { warn: () => {} },
  });
  try {
    return await createSigningKeyRepository(database, createKeyRing([Buffer.from(TEST_SECRET, 'base64url')])).list();
  } finally {
    await database.$disconnect();
  }
}

const privateKeys = new Map<string, KeyObject>();

/** The key that signed a token; read once, since a kid never names another key. */
export async function keyThatSigned(token: string, databaseUrl?: string): Promise<KeyObject> {
  const kid = String(decodeProtectedHeader(token).kid);
  const known = privateKeys.get(kid);
  if (known !== undefined) return known;
  const key = (await signingKeysOf(databaseUrl)).find((one) => one.kid === kid);
  if (key === undefined) throw new Error(`no key ${kid}`);
  const { privateKey } = key.decrypt();
  privateKeys.set(kid, privateKey);
  return privateKey;
}

export function partsOf(token: string): { header: Json; claims: Json; signature: string } {
  return {
    header: { ...decodeProtectedHeader(token) },
    claims: { ...decodeJwt(token) },
    signature: token.slice(token.lastIndexOf('.') + 1),
  };
}

export function encode(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}

/** A JWT with any header and any claims; P-256 keys sign as JWS has it (r ‖ s), Ed25519 and RSA as they do. */
export function signJwt(header: Json | string, claims: unknown, key: KeyObject): string {
  const input = `${encode(header)}.${encode(claims)}`;
  const digest = key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  const signature = sign(digest, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

/**
 * What every forgery starts from: a real token, and the key that only the service should have. An app that has met no
 * unknown kid lately asks the database for one: forgeries of the kid are for apps that are `newlyBuilt`.
 */
export async function realToken({ newlyBuilt = false } = {}) {
  const { app, logLines } = await (newlyBuilt ? buildTestApp() : sharedTestApp());
  const person = await register(app);
  const key = await keyThatSigned(person.accessToken);
  const publicKey = createPublicKey(key);
  return { app, logLines, person, key, publicKey, ...partsOf(person.accessToken) };
}

export type Real = Awaited<ReturnType<typeof realToken>>;

/** Checks that the gate refuses a token, tells nobody of it and leaves the session as it was. */
export async function expectRefused(
  { app, logLines, person }: Pick<Real, 'app' | 'logLines'> & { person: SignedIn },
  token: string,
) {
  const response = await getMe(app, token);
  expectProblem(response, 401, 'access_token_invalid');
  expect(response.headers['www-authenticate']).toMatch(/error="invalid_token"/);
  // Nothing of it is logged, nothing ends, and the real token is as good as before.
  const ofToken = token.split('.').filter((part) => part.length > 40);
  for (const part of ofToken) expect(JSON.stringify(logLines())).not.toContain(part);
  expect((await sessionRow(person.sessionId)).ended_at).toBeNull();
  expect((await getMe(app, person.accessToken)).statusCode).toBe(200);
}
