import { expect, onTestFinished, test, vi } from 'vitest';
import { generateSigningKey } from '../../src/modules/tokens/signing-key.js';
import type { StoredSigningKey } from '../../src/modules/tokens/signing-key-repository.js';
import { createSigningKeys } from '../../src/modules/tokens/signing-keys.js';

const NAMES = { issuer: 'https://auth.example.test', audience: 'https://api.example.test' };

async function stored(status: StoredSigningKey['status']): Promise<StoredSigningKey> {
  const key = await generateSigningKey(crypto.randomUUID(), 'ES256');
  const times = { createdAt: new Date(0), activatedAt: null, retiredAt: null, revokedAt: null };
  return { ...key, ...times, status, secretId: 1, decrypt: () => key };
}

test('an answer that was long on its way does not bring back a key that has been revoked since', async () => {
  const [next, active] = [await stored('next'), await stored('active')];
  const answers: ((keys: StoredSigningKey[]) => void)[] = [];
  const list = () => new Promise<StoredSigningKey[]>((resolve) => answers.push(resolve));
  const keys = createSigningKeys({ repository: { list }, ...NAMES });

  const slow = keys.reload();
  await expect.poll(() => answers.length).toBe(1);
  const [second, third] = [keys.reload(), keys.reload()];
  expect(second).toBe(third);
  await new Promise((resolve) => setImmediate(resolve));
  // The second question waits for the first answer, and so cannot be overtaken by it.
  expect(answers).toHaveLength(1);
  answers[0]?.([next, active]);
  await slow;
  expect(keys.active().kid).toBe(active.kid);
  await expect.poll(() => answers.length).toBe(2);
  answers[1]?.([
    { ...next, status: 'active' },
    { ...active, status: 'revoked' },
  ]);
  await second;
  expect(keys.active().kid).toBe(next.kid);
  expect(keys.find(active.kid)).toBeUndefined();
  expect(keys.jwks().keys.map(({ kid }) => kid)).toEqual([next.kid]);
  expect(keys.departures()).toBe(1);
});

test('takes out a revoked key even when another one cannot be decrypted, and says so', async () => {
  const [active, retired] = [await stored('active'), await stored('retired')];
  let rows = [active, retired];
  const keys = createSigningKeys({ repository: { list: async () => rows }, ...NAMES });
  await keys.reload();
  const unreadable: StoredSigningKey = {
    ...(await stored('active')),
    decrypt: () => {
      throw new Error('no such secret');
    },
  };
  rows = [unreadable, { ...active, status: 'retired' }, { ...retired, status: 'revoked' }];
  await expect(keys.reload()).rejects.toThrow('no such secret');
  expect(keys.find(retired.kid)).toBeUndefined();
  // The old signer goes on: it is retired, and so valid for a while.
  expect(keys.active().kid).toBe(active.kid);

  rows = [unreadable, { ...active, status: 'revoked' }];
  await expect(keys.reload()).rejects.toThrow('no such secret');
  expect(() => keys.active()).toThrow();
});

test('keeps what it has when the database cannot be asked', async () => {
  const active = await stored('active');
  let fault: Error | undefined;
  const list = async () => {
    if (fault) throw fault;
    return [active];
  };
  const keys = createSigningKeys({ repository: { list }, ...NAMES });
  await keys.reload();
  fault = new Error('away');
  await expect(keys.reload()).rejects.toThrow('away');
  expect(keys.active().kid).toBe(active.kid);
  fault = undefined;
  await keys.reload();
  expect(keys.departures()).toBe(0);
});

test('publishes every key but the revoked, as RFC 7517 has it, and none before it is loaded', async () => {
  const rows = [await stored('next'), await stored('active'), await stored('retired'), await stored('revoked')];
  const keys = createSigningKeys({ repository: { list: async () => rows }, ...NAMES });
  expect(keys.jwks()).toEqual({ keys: [] });
  await keys.reload();
  expect(keys.jwks().keys).toEqual(
    rows.slice(0, 3).map(({ kid, publicJwk }) => ({ ...publicJwk, kid, alg: 'ES256', use: 'sig' })),
  );
  for (const { kid, status } of rows) expect(keys.find(kid)?.kid).toBe(status === 'revoked' ? undefined : kid);
});

test('a retired key verifies though the secret that it was sealed under is gone', async () => {
  const active = await stored('active');
  const retired: StoredSigningKey = {
    ...(await stored('retired')),
    decrypt: () => {
      throw new Error('no such secret');
    },
  };
  const keys = createSigningKeys({ repository: { list: async () => [active, retired] }, ...NAMES });
  await keys.reload();
  expect(keys.find(retired.kid)?.algorithm).toBe('ES256');
});

test('without an active key nobody signs, and the others still verify', async () => {
  const retired = await stored('retired');
  const keys = createSigningKeys({ repository: { list: async () => [retired] }, ...NAMES });
  await keys.reload();
  expect(() => keys.active()).toThrow('not loaded');
  expect(keys.find(retired.kid)).toBeDefined();
});

test('one key that cannot be read is no reason not to find another that is looked up', async () => {
  const unreadable: StoredSigningKey = {
    ...(await stored('next')),
    decrypt: () => {
      throw new Error('no such secret');
    },
  };
  const active = await stored('active');
  const keys = createSigningKeys({ repository: { list: async () => [unreadable, active] }, ...NAMES });
  expect((await keys.findOrLookUp(active.kid))?.kid).toBe(active.kid);
});

test('looks an unknown key up anew after a pause, and a known one never', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const active = await stored('active');
  const list = vi.fn(async () => [active]);
  const keys = createSigningKeys({ repository: { list }, ...NAMES });
  expect(await keys.findOrLookUp('stranger')).toBeUndefined();
  expect(await keys.findOrLookUp(active.kid)).toBeDefined();
  expect(await keys.findOrLookUp('stranger')).toBeUndefined();
  expect(list).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(60_000);
  expect(await keys.findOrLookUp(active.kid)).toBeDefined();
  expect(list).toHaveBeenCalledTimes(1);
  expect(await keys.findOrLookUp('stranger')).toBeUndefined();
  expect(list).toHaveBeenCalledTimes(2);
});

test('tokens name the issuer and the audience, and those of others are refused', async () => {
  const active = await stored('active');
  const repository = { list: async () => [active] };
  const ours = createSigningKeys({ repository, ...NAMES });
  const theirs = createSigningKeys({ repository, issuer: NAMES.issuer, audience: 'https://elsewhere.example.test' });
  await Promise.all([ours.reload(), theirs.reload()]);
  const claims = { iss: NAMES.issuer, aud: NAMES.audience, exp: 9_999_999_999 } as never;
  const token = ours.active().sign(claims);
  expect(ours.find(active.kid)?.verify(token)).toMatchObject({ aud: NAMES.audience });
  expect(() => theirs.find(active.kid)?.verify(token)).toThrow();
});
