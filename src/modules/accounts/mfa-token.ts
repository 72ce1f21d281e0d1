import { createHmac, timingSafeEqual } from 'node:crypto';
import type { DerivedKeys, KeyRing } from '../../shared/key-ring.js';
import type { Transport } from '../sessions/session.js';

/** Who has shown the right password, and has yet to show the second factor. */
export type MfaTokenContent = {
  userId: string;
  /** Of the password that was right. */
  passwordVersion: number;
  /** How the session is to be opened. */
  transport: Transport;
  expiresAt: Date;
};

const VERSION = 1;
const TRANSPORTS: readonly Transport[] = ['cookie', 'body'];
/** version ‖ secret id ‖ user's id (16) ‖ password version (4) ‖ transport ‖ expiry in whole seconds (4) ‖ HMAC-SHA-256 of these. */
const HEAD_BYTES = 1 + 1 + 16 + 4 + 1 + 4;
const MAC_BYTES = 32;

/**
 * What goes between the two steps of a sign-in. It says what the first step found, under a key that makes nothing else:
 * it opens no gate, refreshes nothing, and neither access nor refresh tokens pass for one.
 */
export function encodeMfaToken(content: MfaTokenContent, keys: DerivedKeys): string {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt8(VERSION, 0);
  head.writeUInt8(keys.id, 1);
  head.write(content.userId.replaceAll('-', ''), 2, 16, 'hex');
  head.writeUInt32BE(content.passwordVersion, 18);
  head.writeUInt8(TRANSPORTS.indexOf(content.transport), 22);
  head.writeUInt32BE(Math.floor(content.expiresAt.getTime() / 1000), 23);
  return Buffer.concat([head, macOf(head, keys)]).toString('base64url');
}

/** @returns null for what this service did not make, and for what has expired by then */
export function decodeMfaToken(token: string, keyRing: KeyRing, now: Date): MfaTokenContent | null {
  const bytes = Buffer.from(token, 'base64url');
  // One spelling only: the last character of base64url has spare bits here.
  if (bytes.length !== HEAD_BYTES + MAC_BYTES || bytes.toString('base64url') !== token) return null;
  const head = bytes.subarray(0, HEAD_BYTES);
  const keys = keyRing.byId(head.readUInt8(1));
  if (head.readUInt8(0) !== VERSION || keys === undefined) return null;
  if (!timingSafeEqual(bytes.subarray(HEAD_BYTES), macOf(head, keys))) return null;

  const transport = TRANSPORTS[head.readUInt8(22)];
  const expiresAt = new Date(head.readUInt32BE(23) * 1000);
  if (transport === undefined || now >= expiresAt) return null;
  const userId = head.toString('hex', 2, 18).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  return { userId, passwordVersion: head.readUInt32BE(18), transport, expiresAt };
}

function macOf(head: Buffer, keys: DerivedKeys): Buffer {
  return createHmac('sha256', keys.mfaTokenMac).update(head).digest();
}
