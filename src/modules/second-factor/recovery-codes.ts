import { createHmac, randomBytes } from 'node:crypto';

export const RECOVERY_CODE_COUNT = 10;

const CODE_CHARACTERS = 10;
/** Crockford's base 32: the digits and the letters, but for those that look like another. Five bits each. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const NORMAL_FORM = /^[0-9a-hjkmnp-tv-z]{10}$/;

/** Ten different codes of 50 random bits each, as a person writes them down: `4k7qm-x9d2c`. */
export function newRecoveryCodes(): string[] {
  const codes = new Set<string>();
  while (codes.size < RECOVERY_CODE_COUNT) codes.add(newRecoveryCode());
  return [...codes];
}

function newRecoveryCode(): string {
  // 256 is a multiple of 32, so no character comes more often than another.
  const code = [...randomBytes(CODE_CHARACTERS)].map((byte) => ALPHABET[byte % ALPHABET.length]).join('');
  return `${code.slice(0, CODE_CHARACTERS / 2)}-${code.slice(CODE_CHARACTERS / 2)}`;
}

/**
 * Reads a code as a person may type it: in capitals, with spaces, dashes of any kind or none, O for 0 and I or L for 1.
 *
 * @returns null for what can be no recovery code
 */
export function normalizeRecoveryCode(typed: string): string | null {
  const code = typed
    .toLowerCase()
    .replace(/[\s\p{Dash}_]/gu, '')
    .replaceAll('o', '0')
    .replace(/[il]/g, '1');
  return NORMAL_FORM.test(code) ? code : null;
}

/**
 * What is kept of a recovery code. 50 bits withstand guessing at a service that counts, and not a stolen table of plain
 * SHA-256 hashes: a few graphics cards try them all in hours. So the hash is keyed; and by the secret of the very factor
 * that the code stands in for. That one is sealed under the app secret and taken over when it changes, while a hash
 * keyed by the app secret itself could not be: nobody knows the code.
 *
 * @param code as `normalizeRecoveryCode` leaves it
 */
export function hashRecoveryCode(code: string, factorSecret: Buffer): Buffer {
  return createHmac('sha256', factorSecret).update('gatehouse recovery code\0').update(code).digest();
}
