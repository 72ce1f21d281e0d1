import { DomainError } from '../../shared/domain-error.js';
import type { HashWorkers } from './hash-workers.js';

/** Longer ones cost time and add nothing. */
export const MAX_PASSWORD_CHARACTERS = 256;

export type NewPassword = {
  /** JSON pointer to it in the request. */
  path: string;
  /** The account's address, which must not be the password. */
  email: string;
  /** Aborted when the client has gone. */
  signal: AbortSignal;
};

export type PasswordPolicy = ReturnType<typeof createPasswordPolicy>;

type PasswordPolicyOptions = {
  /** In characters as people count them, not in UTF-16 units. */
  minLength: number;
  workers: Pick<HashWorkers, 'judge'>;
  /** What the service is known by: its name and its host. */
  serviceNames: string[];
  /** Whether a password is among breached ones; undefined where nobody is asked. */
  isBreached: ((password: string) => Promise<boolean>) | undefined;
};

/**
 * Whether a new password will do: long enough, hard to guess, and not breached. Length is what counts, with no rules of
 * composition (NIST SP 800-63B §5.1.1.2). The password is taken as it is, never normalised.
 */
export function createPasswordPolicy({ minLength, workers, serviceNames, isBreached }: PasswordPolicyOptions) {
  return {
    /** @throws DomainError `password_rejected` with what is wrong and what to do in `errors`; `overloaded` */
    async assertAcceptable(password: string, { path, email, signal }: NewPassword): Promise<void> {
      const reject = (...messages: string[]) =>
        new DomainError('password_rejected', { errors: messages.map((message) => ({ path, message })) });

      if ([...password].length < minLength) throw reject(`Use at least ${minLength} characters.`);
      const advice = await workers.judge(password, contextOf([...serviceNames, email]), signal);
      if (advice.length > 0) throw reject(...advice);
      if (await isBreached?.(password)) {
        throw reject(
          'This password was found in a data breach, so it is on the lists that attackers try first.',
          'Choose another one, and change it wherever else you use it.',
        );
      }
    },
  };
}

const MIN_WORD_CHARACTERS = 3;
const MAX_WORDS = 24;

/** Names as a whole, and the words that they are made of. */
function contextOf(names: string[]): string[] {
  const words = names.flatMap((name) => [name, ...name.split('@'), ...name.split(/[^\p{L}\p{M}\p{N}]+/u)]);
  return [...new Set(words)].filter((word) => word.length >= MIN_WORD_CHARACTERS).slice(0, MAX_WORDS);
}
