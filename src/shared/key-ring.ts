import { createHash, hkdfSync } from 'node:crypto';

/** What one application secret is good for: a key of its own for each purpose (RFC 5869). */
export type DerivedKeys = {
  /** Which secret these come from: one byte, stored beside whatever they made. */
  id: number;
  refreshTokenMac: Buffer;
  passwordPepper: Buffer;
  signingKeyEncryption: Buffer;
  secondFactorEncryption: Buffer;
  mfaTokenMac: Buffer;
  knownDeviceMac: Buffer;
  attemptSubjectMac: Buffer;
};

/** The application secrets in use: the first makes, all of them verify. */
export type KeyRing = {
  current: DerivedKeys;
  byId: (id: number) => DerivedKeys | undefined;
  /** Of all secrets that are listed. */
  ids: readonly number[];
};

/**
 * Derives every key that the service needs from its secrets.
 *
 * @param secrets decoded, each at least 32 random bytes; the order matters, the first one makes
 */
export function createKeyRing(secrets: readonly Buffer[]): KeyRing {
  const [current, ...others] = secrets.map(deriveKeys);
  if (current === undefined) throw new TypeError('A key ring needs at least one secret.');
  const byId = new Map([current, ...others].map((keys) => [keys.id, keys]));
  return { current, byId: (id) => byId.get(id), ids: [...byId.keys()] };
}

/** One byte that tells secrets apart without telling anything about them. Two secrets of one list must differ in it. */
export function secretId(secret: Buffer): number {
  return createHash('sha256').update('gatehouse secret id\0').update(secret).digest().readUInt8(0);
}

function deriveKeys(secret: Buffer): DerivedKeys {
  const derive = (purpose: string, bytes: number) =>
    Buffer.from(hkdfSync('sha256', secret, '', `gatehouse ${purpose} v1`, bytes));
  return {
    id: secretId(secret),
    refreshTokenMac: derive('refresh token mac', 32),
    passwordPepper: derive('password pepper', 48),
    signingKeyEncryption: derive('signing key encryption', 32),
    secondFactorEncryption: derive('second factor encryption', 32),
    mfaTokenMac: derive('mfa token mac', 32),
    knownDeviceMac: derive('known device mac', 32),
    attemptSubjectMac: derive('attempt subject mac', 32),
  };
}
