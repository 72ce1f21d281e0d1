import { domainToASCII, domainToUnicode } from 'node:url';

const MAX_ADDRESS_CHARACTERS = 254;
const MAX_LOCAL_CHARACTERS = 64;

/** RFC 5321 §4.1.2 dot-atoms, with the letters and digits of every script (RFC 6531); quoted local parts are not taken. */
const LOCAL_PART = /^[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+(\.[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+)*$/u;
/** Letters and marks that nobody sees, such as U+3164 and variation selectors. */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/u;
const DOMAIN_CHARACTERS = /^[\p{L}\p{M}\p{N}.-]+$/u;
const DOMAIN = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$/;

/**
 * The one spelling of an e-mail address under which an account is kept: trimmed; the local part in NFC and lower case;
 * the domain as IDNA has it (docs/decisions/0008). Two people's addresses must never come out the same, so a local part in which normalising
 * would turn a foreign character into a plain ASCII one (the Kelvin sign into k) is refused, and look-alikes
 * (ı, full-width letters, Cyrillic) stay what they are.
 *
 * @returns null when this cannot be an address to which mail goes
 */
export function normalizeEmail(text: string): string | null {
  const address = text.trim();
  const at = address.lastIndexOf('@');
  if (at < 1 || address.length > MAX_ADDRESS_CHARACTERS) return null;

  const typedLocal = address.slice(0, at);
  // Composed once more: some small letters have a composed form that the capital lacks (ΐ).
  const local = typedLocal.normalize('NFC').toLowerCase().normalize('NFC');
  if (local.length > MAX_LOCAL_CHARACTERS || !LOCAL_PART.test(local) || INVISIBLE.test(local)) return null;
  if (gainsAscii(typedLocal)) return null;

  const typedDomain = address.slice(at + 1);
  // domainToASCII reads a URL's host and drops whatever follows a slash: let no such thing in.
  if (!DOMAIN_CHARACTERS.test(typedDomain)) return null;
  const domain = domainToASCII(typedDomain);
  // Not every Node refuses a broken IDNA form: one that stands for nothing comes back as it was.
  if (/(^|\.)xn--/.test(domain) && hasBrokenLabel(domain)) return null;
  const normalized = `${local}@${domain}`;
  // Measured again: an international domain is longer in its IDNA form.
  return DOMAIN.test(domain) && normalized.length <= MAX_ADDRESS_CHARACTERS ? normalized : null;
}

function hasBrokenLabel(domain: string): boolean {
  return domain.split('.').some((label) => label.startsWith('xn--') && /^(xn--.*)?$/.test(domainToUnicode(label)));
}

/** Whether normalising makes plain ASCII of a character that is none: U+212A KELVIN SIGN becomes k, İ becomes i and a dot. */
function gainsAscii(text: string): boolean {
  return [...text].some((character) => character > '\x7f' && /[!-~]/.test(character.normalize('NFC').toLowerCase()));
}
