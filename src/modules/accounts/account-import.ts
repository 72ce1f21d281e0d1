import { isForeignHash } from '../passwords/password-hash.js';
import { normalizeEmail } from './email-address.js';

/** An account from elsewhere, as it is kept here. */
export type ImportedAccount = {
  /** Normalised. */
  email: string;
  /** bcrypt's, as it came: replaced by one of ours when its owner signs in. */
  passwordHash: string;
  emailVerified: boolean;
  /** null when nobody knows: then it is the time of the import. */
  createdAt: Date | null;
};

const MEMBERS = new Set(['email', 'password_hash', 'email_verified', 'created_at']);

/**
 * Reads one line of an import.
 *
 * @param now what is dated later is a mistake
 * @returns the account, or in plain words what is wrong: never anything of the line itself, which holds a hash
 */
export function parseImportLine(text: string, now: Date): ImportedAccount | string {
  const members = parseObject(text);
  if (members === null) return 'this is not a JSON object';
  if (Object.keys(members).some((name) => !MEMBERS.has(name))) {
    return `there is a member that is none of ${[...MEMBERS].join(', ')}`;
  }
  const { email, password_hash: passwordHash, email_verified: emailVerified = false, created_at: created } = members;
  const address = typeof email === 'string' ? normalizeEmail(email) : null;
  if (address === null) return 'email is not an address to which mail can go';
  if (typeof passwordHash !== 'string' || !isForeignHash(passwordHash)) {
    return 'password_hash is not a bcrypt hash ($2a$, $2b$ or $2y$) with a cost from 4 to 16';
  }
  if (typeof emailVerified !== 'boolean') return 'email_verified is neither true nor false';
  const createdAt = created === undefined ? null : parseTime(created);
  if (createdAt === undefined) return 'created_at is not a time such as 2024-05-31T12:00:00Z (RFC 3339)';
  if (createdAt !== null && createdAt.getTime() < 0) return 'created_at is before 1970';
  if (createdAt !== null && createdAt > now) return 'created_at is in the future';
  return { email: address, passwordHash, emailVerified, createdAt };
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null;
  }
}

const TIME = /^(\d{4}-\d{2}-\d{2})[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;

/** RFC 3339 §5.6. */
function parseTime(value: unknown): Date | undefined {
  const [, day] = typeof value === 'string' ? (TIME.exec(value) ?? []) : [];
  // JavaScript takes 30 February for 1 March.
  const isDay = day !== undefined && new Date(`${day}T00:00:00Z`).toJSON()?.startsWith(day);
  const time = new Date(String(value).toUpperCase());
  return isDay && !Number.isNaN(time.getTime()) ? time : undefined;
}
