import { DomainError } from '../../shared/domain-error.js';
import {
  addressBudget,
  type Guess,
  MAIL_BUDGET,
  type Subject,
  subjectsOf,
  subjectsOfPassword,
  subjectsOfSecondFactor,
} from './attempt-policy.js';
import type { AttemptRepository, Counted } from './attempt-repository.js';

export type GuessOutcome = 'right' | 'wrong' | 'undecided' | 'delayed' | 'stopped';

export type Attempts = ReturnType<typeof createAttempts>;

type AttemptsOptions = {
  repository: AttemptRepository;
  /** Failures of strangers that one client address has before it waits; 0 = client addresses are not counted. */
  freeFailuresPerAddress: number;
  /** Called for each guess with what came of it. */
  onGuess: (purpose: Guess['purpose'], outcome: GuessOutcome) => void;
};

/** Counts guesses at secrets, so that guessing takes for ever and a stranger's guesses keep nobody out. */
export function createAttempts({ repository, freeFailuresPerAddress, onGuess }: AttemptsOptions) {
  const perAddress = freeFailuresPerAddress > 0 ? addressBudget(freeFailuresPerAddress) : null;

  return {
    /**
     * Counts a guess, then makes it. Counted before, so that many at once are no more than one after the other.
     *
     * @param check whether the guess was right; if it throws, nothing was learned and nothing is counted
     * @throws DomainError `too_many_attempts`, before the check and whether or not it would have been right; with
     *   `retryAfterSeconds`, or with the reason `reset_required` and without, since then waiting does not help
     */
    async guess(guess: Guess, check: () => Promise<boolean>): Promise<boolean> {
      const subjects = subjectsOf(guess, perAddress);
      const counted = await repository.count(subjects);
      if (!Array.isArray(counted)) {
        onGuess(guess.purpose, counted.retryAfterSeconds === null ? 'stopped' : 'delayed');
        throw tooManyAttempts(counted.retryAfterSeconds);
      }
      let right: boolean;
      try {
        right = await check();
      } catch (error) {
        onGuess(guess.purpose, 'undecided');
        // If this fails too, the attempt stays counted; what went wrong first is what must be told.
        await giveBack(counted).catch(() => {});
        throw error;
      }
      onGuess(guess.purpose, right ? 'right' : 'wrong');
      if (right) await forgive(counted, subjects);
      return right;
    },

    /** To be called when a person's password was reset or changed: guesses at it begin anew, and no stop remains. */
    async forget(person: { id: string; email: string }): Promise<void> {
      await repository.forget(subjectsOfPassword(person).map(repository.hash));
      await repository.unstop(subjectsOfSecondFactor(person).map(repository.hash));
    },

    /**
     * Counts a mail to an address, whoever asked for it and for whichever account, then has it prepared: nobody is to be
     * buried in mails. One that is not to go out after all is not counted.
     *
     * @returns what was prepared; null also when too many mails of this kind went there lately
     */
    async limitMail<Prepared>(
      kind: string,
      recipient: string,
      prepare: () => Promise<Prepared | null>,
    ): Promise<Prepared | null> {
      const counted = await repository.count([{ name: `mail|${kind}|${recipient}`, budget: MAIL_BUDGET }]);
      if (!Array.isArray(counted)) return null;
      const prepared = await prepare();
      if (prepared === null) await giveBack(counted);
      return prepared;
    },
  };

  /** One after the other, each by itself: who holds one row never waits for another. */
  async function giveBack(counted: readonly Counted[]): Promise<void> {
    for (const one of counted) await repository.giveBack(one);
  }

  /**
   * An account and its devices begin anew. A client address only gets this one attempt back, or whoever has an account
   * could go on for ever by signing in now and then.
   */
  async function forgive(counted: readonly Counted[], subjects: readonly Subject[]): Promise<void> {
    const recovers = (index: number) => (subjects[index]?.budget.forgivenPerSecond ?? 0) > 0;
    await giveBack(counted.filter((_, index) => recovers(index)));
    await repository.forget(counted.flatMap(({ subject }, index) => (recovers(index) ? [] : [subject])));
  }
}

function tooManyAttempts(retryAfterSeconds: number | null): DomainError {
  if (retryAfterSeconds !== null) return new DomainError('too_many_attempts', { retryAfterSeconds });
  return new DomainError('too_many_attempts', {
    reason: 'reset_required',
    detail: 'Too many wrong attempts: waiting does not help any more. Reset the password to go on.',
  });
}
