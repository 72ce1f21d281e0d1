import { createHmac, timingSafeEqual } from 'node:crypto';
import type { DerivedKeys, KeyRing } from '../../shared/key-ring.js';

/** What a refresh token says: the n-th token of a session. */
export type RefreshTokenContent = { sessionId: string; generation: number };

const VERSION = 0x01;
const BODY_BYTES = 1 + 1 + 16 + 4;
/** 54 bytes are 72 characters of base64url with no padding and no spare bits: every token has exactly one spelling. */
const TOKEN_PATTERN = /^[A-Za-z0-9_-]{72}$/;

/**
 * Writes token *n* of a session. The token is derived, not stored, so the same input always gives the same token:
 *
 *     base64url( version ‖ secret id ‖ session id (16) ‖ n (uint32 BE) ‖ HMAC-SHA-256(K, all before) )
 */
export function encodeRefreshToken({ sessionId, generation }: RefreshTokenContent, keys: DerivedKeys): string {
  const body = Buffer.alloc(BODY_BYTES);
  body.writeUInt8(VERSION, 0);
  body.writeUInt8(keys.id, 1);
  body.write(sessionId.replaceAll('-', ''), 2, 16, 'hex');
  body.writeUInt32BE(generation, 18);
  return Buffer.concat([body, mac(body, keys)]).toString('base64url');
}

/**
 * Reads a refresh token and checks its MAC, before anything is asked of the database.
 *
 * @returns null for whatever this service did not make: garbage, a forgery, a token under a secret that is gone
 */
export function decodeRefreshToken(token: string, keyRing: KeyRing): RefreshTokenContent | null {
  if (!TOKEN_PATTERN.test(token)) return null;
  const bytes = Buffer.from(token, 'base64url');
  const body = bytes.subarray(0, BODY_BYTES);
  const keys = keyRing.byId(body.readUInt8(1));
  if (body.readUInt8(0) !== VERSION || keys === undefined) return null;
  if (!timingSafeEqual(bytes.subarray(BODY_BYTES), mac(body, keys))) return null;
  return { sessionId: formatUuid(body.toString('hex', 2, 18)), generation: body.readUInt32BE(18) };
}

function mac(body: Buffer, keys: DerivedKeys): Buffer {
  return createHmac('sha256', keys.refreshTokenMac).update(body).digest();
}

function formatUuid(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
