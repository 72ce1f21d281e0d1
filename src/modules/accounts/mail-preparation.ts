import type { ClaimedMail, LinkAction, PreparedMail } from '../mail/mail.js';
import { newOneTimeToken } from './one-time-token.js';
import type { InTransaction, Repositories } from './unit-of-work.js';

/**
 * Decides, when a mail is about to be sent, who it goes to and with what link. Here, and not where it was asked for, is
 * found out whether there is an account at all. The token in the link exists from now on, and only in that mail; a mail
 * that is tried again gets another one.
 *
 * @returns a function that answers null for a mail that is not to be sent: there is no such account, there is nothing to
 *   confirm, another mail of the kind went out a moment ago, or this one was withdrawn
 */
export function createMailPreparation({ inTransaction }: { inTransaction: InTransaction }) {
  return (mail: ClaimedMail): Promise<PreparedMail | null> => {
    switch (mail.kind) {
      case 'verify_email':
        return withLink(mail, 'verify_email', ({ accounts }) => findUnverified(accounts, mail.recipient));
      case 'reset_password':
      case 'already_registered':
        return withLink(mail, 'reset_password', async ({ accounts }) => accounts.findByEmail(mail.recipient));
      case 'change_email':
        return withLink(mail, 'change_email', async ({ accounts }) =>
          // That the address belongs to somebody else is for nobody to learn: no mail goes there.
          (await accounts.isTaken(mail.recipient)) ? null : accounts.findById(mail.userId ?? ''),
        );
      default:
        return Promise.resolve({ recipient: mail.recipient, link: null });
    }
  };

  function withLink(
    mail: ClaimedMail,
    action: LinkAction,
    findOwner: (repositories: Repositories) => Promise<{ id: string } | null>,
  ): Promise<PreparedMail | null> {
    const { recipient } = mail;
    return inTransaction(async (repositories) => {
      const owner = await findOwner(repositories);
      if (owner === null || (await repositories.accounts.lock(owner.id)) === null) return null;
      // Only now: the request that withdraws a mail keeps the account too.
      if (!(await repositories.outbox.holds(mail))) return null;
      const { token, hash } = newOneTimeToken();
      const toIssue = { userId: owner.id, purpose: action, hash, email: recipient, isRetry: mail.attempt > 1 };
      return (await repositories.tokens.issue(toIssue)) ? { recipient, link: { action, token } } : null;
    });
  }
}

async function findUnverified(accounts: Repositories['accounts'], email: string) {
  const account = await accounts.findByEmail(email);
  return account?.emailVerified ? null : account;
}
