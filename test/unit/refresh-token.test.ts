import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeRefreshToken, encodeRefreshToken } from '../../src/modules/sessions/refresh-token.js';
import { createKeyRing } from '../../src/shared/key-ring.js';

const SECRET = Buffer.alloc(32, 'a fixed secret for tests, 32 byte');
const ring = createKeyRing([SECRET]);
const content = { sessionId: '0199e0a4-7c1e-7d3a-9d0f-6b1f2a3c4d5e', generation: 7 };

test('gives the same token for the same session and generation, in 72 characters of base64url', () => {
  const token = encodeRefreshToken(content, ring.current);
  expect(token).toMatch(/^[A-Za-z0-9_-]{72}$/);
  expect(encodeRefreshToken({ ...content }, ring.current)).toBe(token);
  expect(Buffer.from(token, 'base64url').readUInt8(0)).toBe(1);
  expect(Buffer.from(token, 'base64url').readUInt32BE(18)).toBe(7);
});

test('reads back every token that it wrote', () => {
  const property = fc.property(fc.uuid(), fc.integer({ min: 0, max: 0xffffffff }), (sessionId, generation) => {
    const token = encodeRefreshToken({ sessionId, generation }, ring.current);
    expect(decodeRefreshToken(token, ring)).toEqual({ sessionId, generation });
  });
  fc.assert(property);
});

test('refuses a token in which any one bit was changed', () => {
  const bytes = Buffer.from(encodeRefreshToken(content, ring.current), 'base64url');
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const forged = Buffer.from(bytes);
    forged.writeUInt8(forged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    expect(decodeRefreshToken(forged.toString('base64url'), ring)).toBeNull();
  }
});

test('refuses whatever is no token of ours, without throwing', () => {
  const token = encodeRefreshToken(content, ring.current);
  const garbage = [
    '',
    'x',
    token.slice(1),
    `${token}A`,
    `${token}=`,
    ` ${token}`,
    token.replace(/.$/, '+'),
    'é'.repeat(72),
    'A'.repeat(72),
    'A'.repeat(100_000),
  ];
  for (const text of garbage) expect(decodeRefreshToken(text, ring)).toBeNull();
  fc.assert(fc.property(fc.string(), (text) => decodeRefreshToken(text, ring) === null));
});

test('accepts tokens of every listed secret, and none of a secret that is gone', () => {
  const older = Buffer.alloc(32, 'another fixed secret for tests!!');
  const token = encodeRefreshToken(content, createKeyRing([older]).current);
  expect(decodeRefreshToken(token, createKeyRing([SECRET, older]))).toEqual(content);
  expect(decodeRefreshToken(token, ring)).toBeNull();
});

test('derives different keys for different purposes', () => {
  const { refreshTokenMac, passwordPepper, signingKeyEncryption } = ring.current;
  const keys = [refreshTokenMac, passwordPepper.subarray(0, 32), signingKeyEncryption].map((key) =>
    key.toString('hex'),
  );
  expect(new Set(keys).size).toBe(3);
});
