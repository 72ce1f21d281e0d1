import { Piscina } from 'piscina';
import { DomainError } from '../../shared/domain-error.js';
import type { KeyRing } from '../../shared/key-ring.js';
import { costOf, hashOfNobody, isOutdated, prepareComparison, preparePassword } from './password-hash.js';

export type PasswordHasher = ReturnType<typeof createPasswordHasher>;

type PasswordHasherOptions = {
  keyRing: KeyRing;
  /** bcrypt's cost: each step doubles the time. */
  cost: number;
  /** How many passwords are hashed at once. */
  concurrency: number;
  /** How many more may wait; what comes past that is refused at once. */
  queue: number;
};

/**
 * Hashes and checks passwords in worker threads of the lowest priority behind a bounded queue, so that a flood of
 * sign-ins slows down sign-ins and nothing else (libuv's own pool would starve the rest of the service).
 */
export function createPasswordHasher({ keyRing, cost, concurrency, queue }: PasswordHasherOptions) {
  const workers = new Piscina({
    filename: new URL('./password-worker.js', import.meta.url).href,
    minThreads: 0,
    maxThreads: concurrency,
    maxQueue: queue,
    idleTimeout: 60_000,
  });

  return {
    /** @throws DomainError `overloaded` */
    async hash(password: string): Promise<string> {
      const { input, store } = preparePassword(password, keyRing);
      return store(await run<string>({ input, cost }));
    },

    /**
     * Checks a password against a stored hash, or against none: that takes as long and never matches. Nor is a wrong
     * password found out sooner because the stored hash is a cheaper one, of former times or from elsewhere.
     *
     * @throws DomainError `overloaded`
     */
    async verify(password: string, stored: string | null): Promise<boolean> {
      const nobody = hashOfNobody(cost, keyRing);
      const comparison =
        prepareComparison(password, stored ?? nobody, keyRing) ?? prepareComparison(password, nobody, keyRing);
      const matches = await run<boolean>({ ...comparison });
      if (!matches && stored !== null && costOf(stored) < cost)
        await run({ ...prepareComparison(password, nobody, keyRing) });
      return matches;
    },

    /** Whether a stored hash should be replaced by a new one of the same password. */
    isOutdated: (stored: string): boolean => isOutdated(stored, cost, keyRing),

    close: (): Promise<void> => workers.destroy(),
  };

  async function run<Result>(task: object): Promise<Result> {
    if (workers.queueSize >= queue) throw new DomainError('overloaded', { retryAfterSeconds: 1 });
    return workers.run(task);
  }
}
