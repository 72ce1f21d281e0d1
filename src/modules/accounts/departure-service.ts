import type { ClientInfo } from '../../shared/client-info.js';
import { DomainError } from '../../shared/domain-error.js';
import { newsOf } from '../mail/mail.js';
import type { SessionService } from '../sessions/session-service.js';
import type { AccountRepository } from './account-repository.js';
import { accountGone, type ConfirmPassword } from './password-confirmation.js';
import type { InTransaction } from './unit-of-work.js';

export type DepartureService = ReturnType<typeof createDepartureService>;

type DepartureServiceOptions = {
  confirmPassword: ConfirmPassword;
  repository: Pick<AccountRepository, 'findById'>;
  inTransaction: InTransaction;
  sessions: Pick<SessionService, 'noteEnded'>;
};

/** Marks the deletion of somebody whose other events still tell of them. */
const TO_BE_ERASED = { to_be_erased: true };

/** Lets people leave. */
export function createDepartureService({
  confirmPassword,
  repository,
  inTransaction,
  sessions,
}: DepartureServiceOptions) {
  return {
    /**
     * Ends every session of a person and deletes them, with all that is kept on them. What stays is what happened when,
     * under an id that names nobody, and a last mail until it is sent.
     *
     * @throws DomainError `invalid_credentials`, `too_many_attempts`, `overloaded`, `session_ended` when they are gone
     */
    async leave(userId: string, password: string, client: ClientInfo, signal: AbortSignal): Promise<void> {
      const { passwordVersion } = await confirmPassword(userId, password, client, signal);
      const ended = await inTransaction(async ({ accounts, sessions, events, outbox, tokens }) => {
        const email = await accounts.lock(userId, passwordVersion);
        if (email === null) return null;
        // Sessions and links first: whoever holds one of those rows may want the account's next, and would wait for us.
        const endedSessions = await sessions.endAllOf(userId, { reason: 'account_deleted', client }, null);
        await tokens.voidAll(userId);
        await events.add({ type: 'account_deleted', userId, client: null, details: TO_BE_ERASED });
        await accounts.remove(userId);
        await events.eraseOf(userId);
        await outbox.removeFor(userId, email);
        await outbox.add({ kind: 'account_deleted', recipient: email, details: newsOf(client) });
        return endedSessions;
      });
      if (ended === null) {
        throw (await repository.findById(userId)) === null ? accountGone() : new DomainError('invalid_credentials');
      }
      sessions.noteEnded(ended);
    },
  };
}
