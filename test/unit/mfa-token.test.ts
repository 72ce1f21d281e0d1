import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeMfaToken, encodeMfaToken, type MfaTokenContent } from '../../src/modules/accounts/mfa-token.js';
import { encodeKnownDevice } from '../../src/modules/attempts/known-device.js';
import { decodeRefreshToken, encodeRefreshToken } from '../../src/modules/sessions/refresh-token.js';
import { createKeyRing } from '../../src/shared/key-ring.js';

const [OLD, NEW] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const ring = createKeyRing([OLD]);
const NOW = new Date('2026-11-22T16:00:00Z');
const content: MfaTokenContent = {
  userId: '0199e0a4-7c1e-7d3a-9d0f-6b1f2a3c4d5e',
  passwordVersion: 3,
  transport: 'body',
  expiresAt: new Date('2026-11-22T16:05:00Z'),
};
const token = encodeMfaToken(content, ring.current);

test('reads back what it wrote', () => {
  const property = fc.property(
    fc.uuid(),
    fc.integer({ min: 0, max: 0xffffffff }),
    fc.constantFrom('cookie', 'body'),
    fc.integer({ min: NOW.getTime() / 1000 + 1, max: 0xffffffff }),
    (userId, passwordVersion, transport, seconds) => {
      const written = { userId, passwordVersion, transport, expiresAt: new Date(seconds * 1000) };
      expect(decodeMfaToken(encodeMfaToken(written, ring.current), ring, NOW)).toEqual(written);
    },
  );
  fc.assert(property);
});

test('is good until the second in which it expires, and not then', () => {
  expect(decodeMfaToken(token, ring, new Date(content.expiresAt.getTime() - 1))).toEqual(content);
  expect(decodeMfaToken(token, ring, content.expiresAt)).toBeNull();
});

test('refuses a token in which any one bit was changed', () => {
  const bytes = Buffer.from(token, 'base64url');
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const forged = Buffer.from(bytes);
    forged.writeUInt8(forged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    expect(decodeMfaToken(forged.toString('base64url'), ring, NOW)).toBeNull();
  }
});

test('refuses another spelling of a good token', () => {
  const last = token.at(-1) ?? '';
  const others = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'].filter((one) => one !== last);
  for (const other of others) expect(decodeMfaToken(token.slice(0, -1) + other, ring, NOW)).toBeNull();
  for (const other of [`${token}=`, `${token} `, ` ${token}`, `${token}A`, token.slice(1), '']) {
    expect(decodeMfaToken(other, ring, NOW)).toBeNull();
  }
});

test('is no refresh token, and neither a refresh token nor a known device is one', () => {
  const { userId } = content;
  expect(decodeRefreshToken(token, ring)).toBeNull();
  const refreshToken = encodeRefreshToken({ sessionId: userId, generation: 1 }, ring.current);
  expect(decodeMfaToken(refreshToken, ring, NOW)).toBeNull();
  const knownDevice = encodeKnownDevice({ deviceId: 'ab'.repeat(16) }, userId, ring);
  expect(decodeMfaToken(knownDevice, ring, NOW)).toBeNull();
});

test('is read under every secret that is listed, and under no other', () => {
  expect(decodeMfaToken(token, createKeyRing([NEW, OLD]), NOW)).toEqual(content);
  expect(decodeMfaToken(token, createKeyRing([NEW]), NOW)).toBeNull();
});
