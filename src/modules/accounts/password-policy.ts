import { DomainError } from '../../shared/domain-error.js';

/** Longer ones cost time and add nothing. */
export const MAX_PASSWORD_CHARACTERS = 256;

/**
 * Whether a new password will do. Length is what counts (NIST SP 800-63B §5.1.1.2): no rules of composition.
 *
 * @param minLength in characters as people count them, not in UTF-16 units
 * @throws DomainError `password_rejected`
 */
export function assertPasswordAcceptable(password: string, minLength: number, path: string): void {
  if ([...password].length < minLength) {
    const message = `Use at least ${minLength} characters.`;
    throw new DomainError('password_rejected', { errors: [{ path, message }] });
  }
}
