import { createHmac } from 'node:crypto';
import type { KeyRing } from '../../shared/key-ring.js';

/**
 * A stored password hash names its scheme:
 *
 *     gh1:<secret id>:<bcrypt>    bcrypt( base64( HMAC-SHA-384(pepper, password) ) )
 *     <bcrypt>                    brought from elsewhere: bcrypt(password), cut at 72 bytes as bcrypt does
 *
 * The HMAC is 64 characters of base64 whatever the password's length, so that nothing is cut and no NUL ends it early;
 * its key (the pepper) is not in the database, so that a dump alone cannot be guessed at.
 */
type ParsedHash = { scheme: 'peppered'; secretId: number; bcrypt: string } | { scheme: 'plain'; bcrypt: string };

const PEPPERED = /^gh1:(\d{1,3}):(\$2b\$\d\d\$[./A-Za-z0-9]{53})$/;
/** Costs from 4, below which there is no bcrypt, to 16, the highest that can be configured: 31 would take years. */
const PLAIN = /^\$2[aby]\$(?:0[4-9]|1[0-6])\$[./A-Za-z0-9]{53}$/;

/** Whether this is a bcrypt hash from elsewhere of which a password can be checked here. */
export function isForeignHash(text: string): boolean {
  return PLAIN.test(text);
}

/** What goes to bcrypt, and how its answer is stored. */
export function preparePassword(password: string, keyRing: KeyRing) {
  const { id, passwordPepper } = keyRing.current;
  return {
    input: pepper(password, passwordPepper),
    store: (bcrypt: string) => `gh1:${id}:${bcrypt}`,
  };
}

/**
 * What must be compared to check a password against a stored hash.
 *
 * @returns null when the hash is of no known scheme or its secret is gone: no password can match it
 */
export function prepareComparison(password: string, stored: string, keyRing: KeyRing) {
  const hash = parseHash(stored);
  if (hash === null) return null;
  if (hash.scheme === 'plain') return { input: password, bcrypt: hash.bcrypt };
  const keys = keyRing.byId(hash.secretId);
  return keys ? { input: pepper(password, keys.passwordPepper), bcrypt: hash.bcrypt } : null;
}

/** Whether a hash is of an older scheme, secret or cost, and should be replaced when the password is next at hand. */
export function isOutdated(stored: string, cost: number, keyRing: KeyRing): boolean {
  const hash = parseHash(stored);
  if (hash === null || hash.scheme === 'plain' || hash.secretId !== keyRing.current.id) return true;
  return Number(hash.bcrypt.slice(4, 6)) !== cost;
}

/** A comparison that no password matches, for when there is no account: it costs as much as one with a hash of ours. */
export function prepareNobody(password: string, cost: number, keyRing: KeyRing) {
  const input = pepper(password, keyRing.current.passwordPepper);
  return { input, bcrypt: `$2b$${String(cost).padStart(2, '0')}$${'.'.repeat(53)}` };
}

function parseHash(stored: string): ParsedHash | null {
  const [, secretId, bcrypt] = PEPPERED.exec(stored) ?? [];
  if (secretId !== undefined && bcrypt !== undefined) return { scheme: 'peppered', secretId: Number(secretId), bcrypt };
  // PHP's name for what everyone else calls 2b; the library does not know it.
  return PLAIN.test(stored) ? { scheme: 'plain', bcrypt: stored.replace('$2y$', '$2b$') } : null;
}

function pepper(password: string, key: Buffer): string {
  return createHmac('sha384', key).update(password, 'utf8').digest('base64');
}
