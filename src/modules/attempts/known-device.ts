import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { KeyRing } from '../../shared/key-ring.js';

/** A device on which an account has signed in before. */
export type KnownDevice = { deviceId: string };

const VERSION = 1;
const ID_BYTES = 16;
/** version ‖ secret id ‖ device id ‖ HMAC-SHA-256 over these and the user's id. */
const HEAD_BYTES = 2 + ID_BYTES;
const MAC_BYTES = 32;

/** A value that tells one account that a device is not a stranger; about any other account it tells nothing. */
export function encodeKnownDevice({ deviceId }: KnownDevice, userId: string, keyRing: KeyRing): string {
  const { id, knownDeviceMac } = keyRing.current;
  const head = Buffer.concat([Buffer.from([VERSION, id]), Buffer.from(deviceId, 'hex')]);
  return Buffer.concat([head, macOf(head, userId, knownDeviceMac)]).toString('base64url');
}

/** @returns null for what this service did not make, or made for another account */
export function decodeKnownDevice(value: string, userId: string, keyRing: KeyRing): KnownDevice | null {
  const bytes = Buffer.from(value, 'base64url');
  if (bytes.length !== HEAD_BYTES + MAC_BYTES || bytes.toString('base64url') !== value) return null;
  const head = bytes.subarray(0, HEAD_BYTES);
  const keys = keyRing.byId(head.readUInt8(1));
  if (head.readUInt8(0) !== VERSION || keys === undefined) return null;
  if (!timingSafeEqual(macOf(head, userId, keys.knownDeviceMac), bytes.subarray(HEAD_BYTES))) return null;
  return { deviceId: head.subarray(2).toString('hex') };
}

export function newDevice(): KnownDevice {
  return { deviceId: randomBytes(ID_BYTES).toString('hex') };
}

function macOf(head: Buffer, userId: string, key: Buffer): Buffer {
  return createHmac('sha256', key).update(head).update(userId).digest();
}
