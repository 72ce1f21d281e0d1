import type { ClientInfo } from '../../shared/client-info.js';
import { DomainError } from '../../shared/domain-error.js';
import type { Attempts } from '../attempts/attempts.js';
import type { EventLog } from '../audit/event-log.js';
import type { PasswordHasher } from '../passwords/password-hasher.js';
import type { Account, AccountRepository } from './account-repository.js';

export type ConfirmPassword = ReturnType<typeof createPasswordConfirmation>;

type PasswordConfirmationOptions = {
  repository: Pick<AccountRepository, 'findById'>;
  passwords: Pick<PasswordHasher, 'verify'>;
  attempts: Attempts;
  eventLog: EventLog;
};

/** Asks a person who is signed in for their password once more. */
export function createPasswordConfirmation({ repository, passwords, attempts, eventLog }: PasswordConfirmationOptions) {
  /**
   * @returns the person's account
   * @throws DomainError `invalid_credentials`, `too_many_attempts`, `overloaded`, `session_ended` when the account is gone
   */
  return async (userId: string, password: string, client: ClientInfo, signal: AbortSignal): Promise<Account> => {
    const account = await repository.findById(userId);
    if (account === null) throw accountGone();
    // A budget of its own: who stole an access token must not lock its owner out of signing in.
    const guess = { purpose: 'password', account: userId, ip: client.ip, device: null } as const;
    if (await attempts.guess(guess, () => passwords.verify(password, account.passwordHash, signal))) return account;
    eventLog.addLater({ type: 'login_failed', userId, client });
    throw new DomainError('invalid_credentials');
  };
}

/** An access token outlives the account by at most the moment in which that becomes known. */
export function accountGone(): DomainError {
  return new DomainError('session_ended', { reason: 'account_deleted', bearerError: 'invalid_token' });
}
