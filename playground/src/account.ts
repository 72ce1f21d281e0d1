import type { Client, User } from '../../client/src/index.js';
import type { Api } from './api.js';
import { button, byId } from './dom.js';
import { messageOf } from './form.js';
import { say } from './news.js';

type AccountOptions = { client: Client; api: Api; hasMailbox: boolean };

/** Who is signed in, and what they can do about it. */
export function createAccount({ client, api, hasMailbox }: AccountOptions) {
  const refresh = byId('refresh', HTMLButtonElement);
  refresh.addEventListener('click', () => void attempt(() => client.refresh()));
  byId('sign-out').addEventListener('click', () => void attempt(() => client.logout()));

  async function attempt(work: () => Promise<unknown>): Promise<void> {
    say('');
    refresh.disabled = true;
    await work().catch((error) => say(messageOf(error)));
    refresh.disabled = false;
  }

  async function mailAgain(email: string): Promise<void> {
    await attempt(async () => {
      await api.open('POST', '/v1/auth/email/resend', { email });
      say(hasMailbox ? 'Mailed once more: see the mailbox.' : 'Mailed once more.');
    });
  }

  return {
    show({ email, email_verified }: User): void {
      byId('who').textContent = email;
      const again = () => void mailAgain(email);
      byId('verified').replaceChildren(
        ...(email_verified
          ? ['Address verified']
          : ['Address not verified. ', button('Mail the link again', 'plain', again)]),
      );
    },
  };
}
