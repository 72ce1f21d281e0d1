import { expect, test } from 'vitest';
import { decryptPrivateKey } from '../../src/modules/tokens/signing-key.js';
import { createKeyRing } from '../../src/shared/key-ring.js';
import { seal, unseal } from '../../src/shared/seal.js';

const KEY = Buffer.alloc(32, 1);
const PLAIN = Buffer.from('twenty bytes of text');

test('opens what was sealed, for its owner and under its key, and seals anew each time', () => {
  const sealed = seal(PLAIN, KEY, 'ada');
  expect(unseal(sealed, KEY, 'ada')).toEqual(PLAIN);
  expect(sealed).toHaveLength(12 + 16 + PLAIN.length);
  expect(seal(PLAIN, KEY, 'ada')).not.toEqual(sealed);
  expect(sealed.includes(PLAIN)).toBe(false);
});

test('opens nothing for another owner, under another key, or of which any one bit was changed', () => {
  const sealed = seal(PLAIN, KEY, 'ada');
  expect(() => unseal(sealed, KEY, 'bob')).toThrow();
  expect(() => unseal(sealed, Buffer.alloc(32, 2), 'ada')).toThrow();
  for (let bit = 0; bit < sealed.length * 8; bit += 1) {
    const forged = Buffer.from(sealed);
    forged.writeUInt8(forged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    expect(() => unseal(forged, KEY, 'ada')).toThrow();
  }
});

test('opens nothing of which bytes are missing, tag included', () => {
  const sealed = seal(PLAIN, KEY, 'ada');
  for (let length = 0; length < sealed.length; length += 1) {
    expect(() => unseal(sealed.subarray(0, length), KEY, 'ada')).toThrow();
  }
});

test('still reads a signing key as it was stored before', () => {
  const { current } = createKeyRing([Buffer.alloc(32, 7)]);
  expect(decryptPrivateKey(STORED.kid, Buffer.from(STORED.bytes, 'base64'), current).asymmetricKeyType).toBe('ed25519');
});

/** A throwaway key, encrypted by the version before `seal` was shared. */
const STORED = {
  kid: '0199e0a4-7c1e-7d3a-9d0f-6b1f2a3c4d5e',
  bytes: 'rEPL5/UcCGaGi+QdaBBoZ+cwrntjPrZgGd0ENMpNkMAnXNv1Gv86iZUG+m/8KzppoodvvS94UGIstjkjHAvlV5cPRex9rIjuyEgn3g==',
};
