import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeKnownDevice, encodeKnownDevice, newDevice } from '../../src/modules/attempts/known-device.js';
import { createKeyRing } from '../../src/shared/key-ring.js';

const OLD = Buffer.alloc(32, 'an old secret');
const NEW = Buffer.alloc(32, 'another secret, the newer one');
const ring = createKeyRing([OLD]);
const ADA = '0199e0a4-7c1e-7d3a-9d0f-6b1f2a3c4d5e';
const EVE = '0199e0a4-7c1e-7d3a-9d0f-6b1f2a3c4d5f';

test('reads back every value that it wrote, for the account that it was written for and no other', () => {
  const property = fc.property(fc.uuid(), fc.uuid(), (userId, otherId) => {
    const device = newDevice();
    const value = encodeKnownDevice(device, userId, ring);
    expect(value).toMatch(/^[A-Za-z0-9_-]{67}$/);
    expect(decodeKnownDevice(value, userId, ring)).toEqual(device);
    if (otherId !== userId) expect(decodeKnownDevice(value, otherId, ring)).toBeNull();
  });
  fc.assert(property);
});

test('makes every device another one', () => {
  const ids = Array.from({ length: 1_000 }, () => newDevice().deviceId);
  expect(new Set(ids).size).toBe(1_000);
  expect(ids[0]).toMatch(/^[0-9a-f]{32}$/);
});

test('refuses a value in which any bits were changed', () => {
  const bytes = Buffer.from(encodeKnownDevice(newDevice(), ADA, ring), 'base64url');
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const forged = Buffer.from(bytes);
    forged.writeUInt8(forged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    expect(decodeKnownDevice(forged.toString('base64url'), ADA, ring)).toBeNull();
  }
  const property = fc.property(fc.uint8Array({ minLength: bytes.length, maxLength: bytes.length }), (mask) => {
    fc.pre(mask.some((byte) => byte !== 0));
    const forged = bytes.map((byte, index) => byte ^ (mask[index] ?? 0));
    expect(decodeKnownDevice(Buffer.from(forged).toString('base64url'), ADA, ring)).toBeNull();
  });
  fc.assert(property);
});

test('refuses whatever is no value of ours, without throwing', () => {
  const value = encodeKnownDevice(newDevice(), ADA, ring);
  const garbage = ['', 'x', value.slice(1), value.slice(0, -1), `${value}A`, `${value}=`, `${value} `, value.repeat(2)];
  for (const text of [...garbage, `${value.slice(0, -1)}+`, 'é'.repeat(67), 'A'.repeat(67)]) {
    expect(decodeKnownDevice(text, ADA, ring)).toBeNull();
  }
  const property = fc.property(fc.string(), (text) => {
    expect(decodeKnownDevice(text, ADA, ring)).toBeNull();
  });
  fc.assert(property);
});

test('refuses a value under the key of another purpose, or of a secret that is not listed', () => {
  const value = encodeKnownDevice(newDevice(), ADA, ring);
  const head = Buffer.from(value, 'base64url').subarray(0, 18);
  const { refreshTokenMac, mfaTokenMac, attemptSubjectMac } = ring.current;
  for (const key of [refreshTokenMac, mfaTokenMac, attemptSubjectMac]) {
    const mac = createHmac('sha256', key).update(head).update(ADA).digest();
    expect(decodeKnownDevice(Buffer.concat([head, mac]).toString('base64url'), ADA, ring)).toBeNull();
  }
  expect(decodeKnownDevice(value, ADA, createKeyRing([NEW]))).toBeNull();
  expect(decodeKnownDevice(value, EVE, ring)).toBeNull();
});

test('goes on with a value of an older secret for as long as that is listed', () => {
  const device = newDevice();
  const value = encodeKnownDevice(device, ADA, ring);
  const both = createKeyRing([NEW, OLD]);
  expect(decodeKnownDevice(value, ADA, both)).toEqual(device);
  const renewed = encodeKnownDevice(device, ADA, both);
  expect(renewed).not.toBe(value);
  expect(decodeKnownDevice(renewed, ADA, createKeyRing([NEW]))).toEqual(device);
});
