import type { ClientInfo } from '../../shared/client-info.js';
import { DomainError } from '../../shared/domain-error.js';
import { newsOf } from '../mail/mail.js';
import type { OutboxRepository } from '../mail/outbox-repository.js';
import { readEmail } from './account-service.js';
import { hashOneTimeToken, type TokenPurpose } from './one-time-token.js';
import type { TokenOwner } from './one-time-token-repository.js';
import type { ConfirmPassword } from './password-confirmation.js';
import type { InTransaction, Repositories } from './unit-of-work.js';

export type EmailService = ReturnType<typeof createEmailService>;

type EmailServiceOptions = {
  inTransaction: InTransaction;
  outbox: Pick<OutboxRepository, 'add'>;
  confirmPassword: ConfirmPassword;
  /** False where the service sends no mail. */
  mailEnabled: boolean;
};

/** Verifies people's addresses, and lets them have another one. */
export function createEmailService({ inTransaction, outbox, confirmPassword, mailEnabled }: EmailServiceOptions) {
  return {
    /**
     * Asks for one more mail with a link to verify an address. Whether there is an account, and what becomes of the
     * mail, is found out when it is sent: the answer comes before, and is the same for everyone.
     *
     * @throws DomainError `validation_failed`, `mail_not_configured`
     */
    async resend(email: string): Promise<void> {
      requireMail(mailEnabled);
      await outbox.add({ kind: 'verify_email', recipient: readEmail(email, '/email') });
    },

    /** @throws DomainError `token_invalid_or_expired` */
    async verify(token: string, client: ClientInfo): Promise<void> {
      const hash = readToken(token);
      const verified = await inTransaction(async ({ tokens, accounts, events }) => {
        const owner = await consume(hash, 'verify_email', { tokens, accounts });
        if (owner === null) return false;
        const isNews = await accounts.verifyEmail(owner.userId);
        if (isNews) await events.add({ type: 'email_verified', userId: owner.userId, client });
        return true;
      });
      if (!verified) throw new DomainError('token_invalid_or_expired');
    },

    /**
     * Mails a link to the address that a person wants to have from now on. Whether it is somebody else's is not told;
     * then no mail goes there.
     *
     * @throws DomainError `validation_failed`, `mail_not_configured`, `invalid_credentials`, `too_many_attempts`,
     *   `overloaded`, `session_ended` when the account is gone
     */
    async requestChange(
      { userId, newEmail, password }: { userId: string; newEmail: string; password: string },
      client: ClientInfo,
      signal: AbortSignal,
    ): Promise<void> {
      requireMail(mailEnabled);
      const address = readEmail(newEmail, '/new_email');
      const account = await confirmPassword(userId, password, client, signal);
      if (account.email === address) {
        const message = 'This is your address already.';
        throw new DomainError('validation_failed', { errors: [{ path: '/new_email', message }] });
      }
      const asked = await inTransaction(async (repositories) => {
        if ((await repositories.accounts.lock(userId, account.passwordVersion)) === null) return false;
        // The newest wish counts: not a link that is still on its way, nor one that has arrived.
        await repositories.outbox.withdraw('change_email', userId);
        await repositories.tokens.voidOne(userId, 'change_email');
        await repositories.outbox.add({ kind: 'change_email', recipient: address, userId });
        await repositories.events.add({ type: 'email_change_requested', userId, client });
        return true;
      });
      // Changed meanwhile: whoever did it has made every link void, and this one must not come after.
      if (!asked) throw new DomainError('invalid_credentials');
    },

    /** @throws DomainError `token_invalid_or_expired`, `email_taken` when somebody else was quicker */
    async confirmChange(token: string, client: ClientInfo): Promise<void> {
      const hash = readToken(token);
      const outcome = await inTransaction(async ({ tokens, accounts, events, outbox: mails }) => {
        const owner = await consume(hash, 'change_email', { tokens, accounts });
        if (owner === null) return 'token_invalid_or_expired' as const;
        const { userId } = owner;
        const oldEmail = await accounts.changeEmail(userId, owner.email);
        if (oldEmail === null) return 'email_taken' as const;
        await tokens.voidAll(userId);
        await mails.withdraw('change_email', userId);
        // Neither address: the event stays when the account is gone.
        await events.add({ type: 'email_changed', userId, client });
        await mails.add({ kind: 'email_changed', recipient: oldEmail, userId, details: newsOf(client) });
        return null;
      });
      if (outcome !== null) throw new DomainError(outcome);
    },
  };
}

/** Uses a token up while its owner's account is kept as it is. */
async function consume(
  hash: Buffer,
  purpose: TokenPurpose,
  { tokens, accounts }: Pick<Repositories, 'tokens' | 'accounts'>,
): Promise<TokenOwner | null> {
  const owner = await tokens.peek(hash, purpose);
  if (owner === null || (await accounts.lock(owner.userId)) === null) return null;
  return tokens.consume(hash, purpose);
}

/** @throws DomainError `mail_not_configured` */
export function requireMail(mailEnabled: boolean): void {
  if (!mailEnabled) throw new DomainError('mail_not_configured');
}

/** What is kept of a token. @throws DomainError `token_invalid_or_expired` */
export function readToken(token: string): Buffer {
  const hash = hashOneTimeToken(token);
  if (hash === null) throw new DomainError('token_invalid_or_expired');
  return hash;
}
