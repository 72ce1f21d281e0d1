import type { KeyRing } from '../../shared/key-ring.js';
import type { HashWorkers } from './hash-workers.js';
import { costOf, hashOfNobody, isOutdated, prepareComparison, preparePassword } from './password-hash.js';

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
    async hash(password: string): Promise<string> {
      const { input, store } = preparePassword(password, keyRing);
      return store(await workers.hash(input, cost));
    },

    /**
     * Checks a password against a stored hash, or against none: that takes as long and never matches. Nor is a wrong
     * password found out sooner because the stored hash is a cheaper one, of former times or from elsewhere.
     *
     * @throws DomainError `overloaded`
     */
    async verify(password: string, stored: string | null): Promise<boolean> {
      const comparison = stored === null ? null : prepareComparison(password, stored, keyRing);
      const matches = comparison !== null && (await workers.compare(comparison.input, comparison.bcrypt));
      if (!matches && (comparison === null || costOf(stored ?? '') < cost)) await compareWithNobody(password);
      return matches;
    },

    /** Whether a stored hash should be replaced by a new one of the same password. */
    isOutdated: (stored: string): boolean => isOutdated(stored, cost, keyRing),
  };

  async function compareWithNobody(password: string): Promise<void> {
    const comparison = prepareComparison(password, hashOfNobody(cost, keyRing), keyRing);
    if (comparison) await workers.compare(comparison.input, comparison.bcrypt);
  }
}
