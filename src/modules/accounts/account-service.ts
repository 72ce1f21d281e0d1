import { DomainError } from '../../shared/domain-error.js';
import type { Attempts } from '../attempts/attempts.js';
import type { EventLog } from '../audit/event-log.js';
import type { PasswordHasher } from '../passwords/password-hasher.js';
import type { PasswordPolicy } from '../passwords/password-policy.js';
import type { Account, AccountRepository } from './account-repository.js';
import { normalizeEmail } from './email-address.js';
import type { MfaChallenge, MfaService } from './mfa-service.js';
import { accountGone } from './password-confirmation.js';
import type { SignedIn, SignIn, SignInContext } from './sign-in.js';
import type { InTransaction } from './unit-of-work.js';

export type Credentials = { email: string; password: string };

export type AccountService = ReturnType<typeof createAccountService>;

type AccountServiceOptions = {
  repository: AccountRepository;
  inTransaction: InTransaction;
  passwords: PasswordHasher;
  policy: PasswordPolicy;
  attempts: Attempts;
  signIn: SignIn;
  mfa: Pick<MfaService, 'challenge'>;
  eventLog: EventLog;
  /** Whether nobody signs in before they have verified their address. */
  requireVerifiedEmail: boolean;
  /** Called when an address has become somebody's. */
  onNewOwner: (person: { id: string; email: string }) => Promise<void>;
};

/** Registers people and signs them in. */
export function createAccountService(options: AccountServiceOptions) {
  const {
    repository,
    inTransaction,
    passwords,
    policy,
    attempts,
    signIn,
    mfa,
    eventLog,
    requireVerifiedEmail,
    onNewOwner,
  } = options;

  return {
    /**
     * @returns null where addresses must be verified first: then nothing tells whether this one was taken
     * @throws DomainError `validation_failed`, `password_rejected`, `email_taken`, `overloaded`
     */
    async register({ email, password }: Credentials, context: SignInContext): Promise<SignedIn | null> {
      const address = readEmail(email, '/email');
      await policy.assertAcceptable(password, { path: '/password', email: address, signal: context.signal });
      // Asked first only to save the hashing; the unique index is what decides.
      if (!requireVerifiedEmail && (await repository.isTaken(address))) throw new DomainError('email_taken');
      const passwordHash = await passwords.hash(password, context.signal);
      const account = await inTransaction(async ({ accounts, outbox }) => {
        const inserted = await accounts.insert(address, passwordHash, context.client);
        if (inserted) await outbox.add({ kind: 'verify_email', recipient: address });
        else if (requireVerifiedEmail) await outbox.add({ kind: 'already_registered', recipient: address });
        return inserted;
      });
      // Whatever strangers guessed at this address before there was an account is nothing to its owner.
      if (account !== null) await onNewOwner(account);
      if (requireVerifiedEmail) return null;
      if (account === null) throw new DomainError('email_taken');
      return signIn.complete(account, ['pwd'], context);
    },

    /**
     * Unknown address and wrong password take the same path, and so the same time.
     *
     * @returns a challenge for an account with a second factor, on a device that it knows, too: nobody is signed in then
     * @throws DomainError `invalid_credentials`, `too_many_attempts`, `account_disabled`, `email_not_verified`, `overloaded`
     */
    async logIn({ email, password }: Credentials, context: SignInContext): Promise<SignedIn | MfaChallenge> {
      const { client, knownDevice, signal } = context;
      const address = normalizeEmail(email) ?? email;
      const account = await repository.findByEmail(address);
      const device = signIn.recognize(account, knownDevice);
      const matches = await attempts.guess({ purpose: 'sign_in', account: address, ip: client.ip, device }, () =>
        passwords.verify(password, account?.passwordHash ?? null, signal),
      );
      if (account === null || !matches) {
        if (account !== null) eventLog.addLater({ type: 'login_failed', userId: account.id, client });
        throw new DomainError('invalid_credentials');
      }
      if (account.isDisabled) throw new DomainError('account_disabled');
      if (requireVerifiedEmail && !account.emailVerified) throw new DomainError('email_not_verified');
      await renewHash(account, password, signal);
      if (account.hasSecondFactor) return mfa.challenge(account, context.transport);
      return signIn.complete(account, ['pwd'], context);
    },

    /** @throws DomainError `session_ended` when the account is gone: its sessions went with it */
    async find(userId: string): Promise<Account> {
      const account = await repository.findById(userId);
      if (account === null) throw accountGone();
      return account;
    },
  };

  async function renewHash({ id, passwordHash }: Account, password: string, signal: AbortSignal): Promise<void> {
    if (!passwords.isOutdated(passwordHash)) return;
    try {
      await repository.replaceHash(id, passwordHash, await passwords.hash(password, signal));
    } catch (error) {
      // There is too much to do: the old hash is as good, and the next sign-in renews it.
      if (!(error instanceof DomainError && error.code === 'overloaded')) throw error;
    }
  }
}

/** @throws DomainError `validation_failed` */
export function readEmail(email: string, path: string): string {
  const address = normalizeEmail(email);
  if (address !== null) return address;
  const message = 'This is not an e-mail address to which mail can go.';
  throw new DomainError('validation_failed', { errors: [{ path, message }] });
}
