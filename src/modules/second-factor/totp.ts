import { randomBytes } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';

/**
 * What every authenticator app takes: many ignore the parameters of the URI and assume these (RFC 6238 §4, §5.1; RFC
 * 4226 §4 recommends 160 bits).
 */
const SECRET_BYTES = 20;
const PARAMETERS = { algorithm: 'SHA1', digits: 6, period: 30 } as const;
/** Steps before and after the present one that count: a clock that differs, and a code typed at its end (RFC 6238 §5.2). */
const WINDOW = 1;
const CODE = /^[0-9]{6}$/;

export function newTotpSecret(): Buffer {
  return randomBytes(SECRET_BYTES);
}

/** What a person types where no camera is (RFC 4648 §6, no padding). */
export function toBase32(secret: Buffer): string {
  return toSecret(secret).base32;
}

/** What the QR code holds. @param issuer the service's name. @param label whose account it is, for the person to tell two apart */
export function toOtpauthUrl(secret: Buffer, { issuer, label }: { issuer: string; label: string }): string {
  return new TOTP({ ...PARAMETERS, secret: toSecret(secret), issuer, label }).toString();
}

/**
 * Which time step a code is of: the present one, the one before or the one after.
 *
 * @param code digits, in groups or not
 * @param nowMilliseconds the database's time
 * @returns null when it is of none of them
 */
export function findStep(secret: Buffer, code: string, nowMilliseconds: number): number | null {
  const digits = code.replace(/\s/g, '');
  // Asked first: the library compares bytes, and throws where six characters are more than six of them.
  if (!CODE.test(digits)) return null;
  const present = TOTP.counter({ period: PARAMETERS.period, timestamp: nowMilliseconds });
  const delta = TOTP.validate({
    ...PARAMETERS,
    secret: toSecret(secret),
    token: digits,
    timestamp: nowMilliseconds,
    window: WINDOW,
  });
  return delta === null ? null : present + delta;
}

/** A copy, for a small Buffer is a window on memory that others use. */
function toSecret(bytes: Buffer): Secret {
  return new Secret({ buffer: Uint8Array.from(bytes).buffer });
}
