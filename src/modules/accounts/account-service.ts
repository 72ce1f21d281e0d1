import { DomainError } from '../../shared/domain-error.js';
import type { Transport } from '../sessions/session.js';
import type { ClientInfo, SessionService, TokenGrant } from '../sessions/session-service.js';
import type { Account, AccountRepository } from './account-repository.js';
import { normalizeEmail } from './email-address.js';
import type { PasswordHasher } from './password-hasher.js';
import { assertPasswordAcceptable } from './password-policy.js';

export type Credentials = { email: string; password: string; transport: Transport };

export type AccountService = ReturnType<typeof createAccountService>;

type AccountServiceOptions = {
  repository: AccountRepository;
  passwords: PasswordHasher;
  sessions: Pick<SessionService, 'open'>;
  policy: { passwordMinLength: number };
};

/** Registers people and signs them in. */
export function createAccountService({ repository, passwords, sessions, policy }: AccountServiceOptions) {
  return {
    /** @throws DomainError `validation_failed`, `password_rejected`, `email_taken`, `overloaded` */
    async register({ email, password, transport }: Credentials, client: ClientInfo): Promise<TokenGrant> {
      const address = normalizeEmail(email);
      if (address === null) {
        const message = 'This is not an e-mail address to which mail can go.';
        throw new DomainError('validation_failed', { errors: [{ path: '/email', message }] });
      }
      assertPasswordAcceptable(password, policy.passwordMinLength, '/password');
      // Asked first only to save the hashing; the unique index is what decides.
      if (await repository.isTaken(address)) throw new DomainError('email_taken');
      const account = await repository.insert(address, await passwords.hash(password));
      if (account === null) throw new DomainError('email_taken');
      return sessions.open(account.id, transport, client);
    },

    /**
     * Unknown address and wrong password take the same path, and so the same time.
     *
     * @throws DomainError `invalid_credentials`, `overloaded`
     */
    async logIn({ email, password, transport }: Credentials, client: ClientInfo): Promise<TokenGrant> {
      const address = normalizeEmail(email);
      const account = await repository.findByEmail(address ?? '');
      const matches = await passwords.verify(password, account?.passwordHash ?? null);
      if (account === null || !matches) throw new DomainError('invalid_credentials');
      await renewHash(account, password);
      return sessions.open(account.id, transport, client);
    },

    /** @throws DomainError `session_ended` when the account is gone: its sessions went with it */
    async find(userId: string): Promise<Account> {
      const account = await repository.findById(userId);
      if (account !== null) return account;
      throw new DomainError('session_ended', { reason: 'account_deleted', bearerError: 'invalid_token' });
    },
  };

  async function renewHash({ id, passwordHash }: Account, password: string): Promise<void> {
    if (!passwords.isOutdated(passwordHash)) return;
    await repository.replaceHash(id, passwordHash, await passwords.hash(password));
  }
}
