import { createHash, randomBytes } from 'node:crypto';

/** What a token is good for, and nothing else. */
export type TokenPurpose = 'verify_email' | 'reset_password' | 'change_email';

const TOKEN_BYTES = 32;

/** How long the link in a mail works. */
export const TOKEN_LIFETIME_SECONDS: Record<TokenPurpose, number> = {
  reset_password: 3_600,
  verify_email: 86_400,
  change_email: 86_400,
};

/**
 * How many mails of one purpose may follow one another at once. A wish for another address takes the password and makes
 * the link before it void, so it is not kept waiting; what one address gets in all is bounded elsewhere.
 */
const FREE_MAILS: Record<TokenPurpose, number> = {
  reset_password: 1,
  verify_email: 1,
  change_email: Number.POSITIVE_INFINITY,
};
const FIRST_PAUSE_SECONDS = 60;
/** Shorter than any link lives, so that whoever asks in another's name cannot keep them without one that works. */
const LAST_PAUSE_SECONDS = 1_800;

/** After so long without one, it is as if there had been none. */
export const PAUSES_FORGOTTEN_AFTER_SECONDS = 7_200;

/**
 * How long after the last mail of a purpose the next one may go to the same person: whoever knows an address can have
 * mails sent there, but no more than half a dozen an hour.
 *
 * @param issued mails of this purpose so far
 */
export function pauseSecondsAfter(purpose: TokenPurpose, issued: number): number {
  const over = issued - FREE_MAILS[purpose];
  return over < 0 ? 0 : Math.min(FIRST_PAUSE_SECONDS * 2 ** over, LAST_PAUSE_SECONDS);
}

/** A new token for a link, and what is kept of it. */
export function newOneTimeToken(): { token: string; hash: Buffer } {
  const bytes = randomBytes(TOKEN_BYTES);
  return { token: bytes.toString('base64url'), hash: sha256(bytes) };
}

/** @returns what is kept of a token; null for what cannot be one */
export function hashOneTimeToken(token: string): Buffer | null {
  const bytes = Buffer.from(token, 'base64url');
  return bytes.length === TOKEN_BYTES && bytes.toString('base64url') === token ? sha256(bytes) : null;
}

/** No salt and no stretching: what is hashed is 256 random bits. */
function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}
