import type { ClientInfo } from '../../shared/client-info.js';
import { DomainError } from '../../shared/domain-error.js';
import { newsOf } from '../mail/mail.js';
import type { OutboxRepository } from '../mail/outbox-repository.js';
import type { PasswordHasher } from '../passwords/password-hasher.js';
import type { PasswordPolicy } from '../passwords/password-policy.js';
import type { SessionService } from '../sessions/session-service.js';
import { readEmail } from './account-service.js';
import { readToken, requireMail } from './email-service.js';
import type { OneTimeTokenRepository } from './one-time-token-repository.js';
import type { InTransaction } from './unit-of-work.js';

export type PasswordResetService = ReturnType<typeof createPasswordResetService>;

type PasswordResetServiceOptions = {
  inTransaction: InTransaction;
  tokens: Pick<OneTimeTokenRepository, 'peek'>;
  outbox: Pick<OutboxRepository, 'add'>;
  passwords: Pick<PasswordHasher, 'hash'>;
  policy: PasswordPolicy;
  sessions: Pick<SessionService, 'noteEnded'>;
  /** False where the service sends no mail. */
  mailEnabled: boolean;
  /** Called after a reset is committed: what was counted against guessing at the old password counts no more. */
  onPasswordReset: (person: { id: string; email: string }) => Promise<void>;
};

/** Gives people who forgot their password another one, by a link that only their mailbox gets. */
export function createPasswordResetService(options: PasswordResetServiceOptions) {
  const { inTransaction, tokens, outbox, passwords, policy, sessions, mailEnabled, onPasswordReset } = options;

  return {
    /**
     * Asks for a mail with a link to choose a new password. One insert, whoever asks for whom: whether there is an
     * account is found out when the mail is sent.
     *
     * @throws DomainError `validation_failed`, `mail_not_configured`
     */
    async forgot(email: string): Promise<void> {
      requireMail(mailEnabled);
      await outbox.add({ kind: 'reset_password', recipient: readEmail(email, '/email') });
    },

    /**
     * Sets a new password and ends every session. The token is used up only when that is done: not by a password that
     * will not do, nor by an answer that there is too much to do.
     *
     * @throws DomainError `token_invalid_or_expired`, `password_rejected`, `overloaded`
     */
    async reset(
      { token, newPassword }: { token: string; newPassword: string },
      client: ClientInfo,
      signal: AbortSignal,
    ): Promise<void> {
      const hash = readToken(token);
      const owner = await tokens.peek(hash, 'reset_password');
      if (owner === null) throw new DomainError('token_invalid_or_expired');
      await policy.assertAcceptable(newPassword, { path: '/new_password', email: owner.email, signal });
      const passwordHash = await passwords.hash(newPassword, signal);

      const ended = await inTransaction(async (repositories) => {
        await repositories.accounts.lock(owner.userId);
        const { userId, email } = (await repositories.tokens.consume(hash, 'reset_password')) ?? {};
        if (userId === undefined || email === undefined) return null;
        // First of all the password: a sign-in with the old one that is under way is waited for, and its session ended.
        await repositories.accounts.replacePassword(userId, passwordHash);
        // The mailbox was proved.
        const isNews = await repositories.accounts.verifyEmail(userId);
        await repositories.tokens.voidAll(userId);
        // Nor a wish for another address that has not even gone out: it may be that of whoever had the old password.
        await repositories.outbox.withdraw('change_email', userId);
        // Whoever set up a second factor never showed that the address was theirs: they must not keep its owner out.
        if (isNews && (await repositories.secondFactors.remove(userId))) {
          await repositories.events.add({ type: 'mfa_disabled', userId, client });
        }
        await repositories.events.add({ type: 'password_reset', userId, client });
        if (isNews) await repositories.events.add({ type: 'email_verified', userId, client });
        await repositories.outbox.add({
          kind: 'password_changed',
          recipient: email,
          userId,
          details: newsOf(client),
        });
        return repositories.sessions.endAllOf(userId, { reason: 'password_reset', client }, null);
      });
      if (ended === null) throw new DomainError('token_invalid_or_expired');
      sessions.noteEnded(ended);
      await onPasswordReset({ id: owner.userId, email: owner.email });
    },
  };
}
