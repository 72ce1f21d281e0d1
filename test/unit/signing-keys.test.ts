import { expect, test } from 'vitest';
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
