import type { ClientInfo } from '../../shared/client-info.js';
import { DomainError } from '../../shared/domain-error.js';
import { newsOf } from '../mail/mail.js';
import type { PasswordHasher } from '../passwords/password-hasher.js';
import type { PasswordPolicy } from '../passwords/password-policy.js';
import type { SessionService, TokenGrant } from '../sessions/session-service.js';
import type { ConfirmPassword } from './password-confirmation.js';
import type { InTransaction } from './unit-of-work.js';

export type PasswordChange = { currentPassword: string; newPassword: string };

/** Who asks, and from where. */
export type PasswordChangeContext = {
  userId: string;
  sessionId: string;
  /** Of the caller's access token. */
  generation: number;
  client: ClientInfo;
  /** Aborted when the client has gone. */
  signal: AbortSignal;
};

export type PasswordChangeService = ReturnType<typeof createPasswordChangeService>;

type PasswordChangeServiceOptions = {
  confirmPassword: ConfirmPassword;
  policy: PasswordPolicy;
  passwords: Pick<PasswordHasher, 'hash'>;
  inTransaction: InTransaction;
  sessions: Pick<SessionService, 'grant' | 'noteEnded' | 'whyEnded'>;
  idleSeconds: number;
  /** Called after a change is committed: what was counted against guessing at the old password counts no more. */
  onPasswordChange: (person: { id: string; email: string }) => Promise<void>;
};

/** Changes the password of a person who is signed in. */
export function createPasswordChangeService(options: PasswordChangeServiceOptions) {
  const { confirmPassword, policy, passwords, inTransaction, sessions, idleSeconds, onPasswordChange } = options;

  return {
    /**
     * Ends every session but the caller's, which gets its next tokens, and makes mailed links void. If the caller's own
     * session has ended meanwhile, nothing changes: whoever ended it may have had a reason.
     *
     * @throws DomainError `invalid_credentials`, `too_many_attempts`, `password_rejected`, `overloaded`, `session_ended`
     */
    async change(
      { currentPassword, newPassword }: PasswordChange,
      context: PasswordChangeContext,
    ): Promise<TokenGrant> {
      const { userId, sessionId, generation, client, signal } = context;
      const account = await confirmPassword(userId, currentPassword, client, signal);
      await policy.assertAcceptable(newPassword, { path: '/new_password', email: account.email, signal });
      if (newPassword === currentPassword) throw samePassword();
      const passwordHash = await passwords.hash(newPassword, signal);

      const { id, passwordVersion } = account;
      const done = await inTransaction(async ({ accounts, sessions, events, outbox, tokens }) => {
        // All that can be refused comes before anything is written that another instance would hear of.
        const recipient = await accounts.lock(id, passwordVersion);
        if (recipient === null) return null;
        // All before one of them, or two who end sessions of this person could wait for each other.
        await sessions.lockAllOf(id);
        // With a second factor, the password alone is no new sign-in.
        const amr = account.hasSecondFactor ? null : ['pwd'];
        const renewed = await sessions.renew({ sessionId, generation, passwordVersion, amr, idleSeconds });
        if (renewed === null) return null;
        await accounts.replacePassword(id, passwordHash);
        await tokens.voidAll(id);
        await outbox.withdraw('change_email', id);
        const ended = await sessions.endAllOf(id, { reason: 'password_changed', client }, sessionId);
        await events.add({ type: 'password_changed', userId: id, sessionId, client });
        await outbox.add({ kind: 'password_changed', recipient, userId: id, details: newsOf(client) });
        return { renewed, ended };
      });
      // Not done: this session has ended, or the password is another one by now.
      if (done === null) throw (await sessions.whyEnded(sessionId)) ?? new DomainError('invalid_credentials');
      sessions.noteEnded(done.ended);
      await onPasswordChange(account);
      return sessions.grant(done.renewed);
    },
  };
}

function samePassword(): DomainError {
  const message = 'This is the password that you have already.';
  return new DomainError('password_rejected', { errors: [{ path: '/new_password', message }] });
}
