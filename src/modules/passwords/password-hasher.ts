import type { KeyRing } from '../../shared/key-ring.js';
import type { HashWorkers } from './hash-workers.js';
import { isOutdated, prepareComparison, prepareNobody, preparePassword } from './password-hash.js';

export type PasswordHasher = ReturnType<typeof createPasswordHasher>;

type PasswordHasherOptions = {
  keyRing: KeyRing;
  /** bcrypt's cost: each step doubles the time. */
  cost: number;
  workers: Pick<HashWorkers, 'hash' | 'compare'>;
};

/** Hashes and checks passwords. */
export function createPasswordHasher({ keyRing, cost, workers }: PasswordHasherOptions) {
  return {
    /** @throws DomainError `overloaded` */
    async hash(password: string, signal?: AbortSignal): Promise<string> {
      const { input, store } = preparePassword(password, keyRing);
      return store(await workers.hash(input, cost, signal));
    },

    /**
     * Checks a password against a stored hash, or against none: that takes as long and never matches. Nor does a wrong
     * password take less or more time because the stored hash is a cheaper one, of former times or from elsewhere.
     *
     * @throws DomainError `overloaded`
     */
    async verify(password: string, stored: string | null, signal?: AbortSignal): Promise<boolean> {
      const somebody = stored === null ? null : prepareComparison(password, stored, keyRing);
      const { input, bcrypt } = somebody ?? prepareNobody(password, cost, keyRing);
      const matches = await workers.compare(input, bcrypt, cost, signal);
      return matches && somebody !== null;
    },

    /** Whether a stored hash should be replaced by a new one of the same password. */
    isOutdated: (stored: string): boolean => isOutdated(stored, cost, keyRing),
  };
}
