import type { Client } from '../../client/src/index.js';
import type { Api } from './api.js';
import { byId } from './dom.js';
import { onSubmit, resetForm } from './form.js';
import { say } from './news.js';

type Kind = {
  title: string;
  text: string;
  button: string;
  path: string;
  done: string;
};

const KINDS: Record<string, Kind> = {
  verify_email: {
    title: 'Is this your address?',
    text: 'Mail programs open links too, to look for harm; so it counts only once you click.',
    button: 'Verify this address',
    path: '/v1/auth/email/verify',
    done: 'Your address is verified.',
  },
  reset_password: {
    title: 'Choose a new password',
    text: 'It signs out every device, in case somebody else knew the old one.',
    button: 'Set the new password',
    path: '/v1/auth/password/reset',
    done: 'Your new password is set. Sign in with it.',
  },
  change_email: {
    title: 'Is this your new address?',
    text: 'From then on you sign in with it, and mails go there.',
    button: 'Use this address',
    path: '/v1/auth/email/change/confirm',
    done: 'Your address is changed.',
  },
};

type LinkActionOptions = { api: Api; client: Client; onPasswordReset: () => void; onDone: () => void };

/**
 * What a link in a mail asks for, `#action=…&token=…`. The token leaves the address bar and the history at once, and
 * waits here, for a click.
 */
export function createLinkAction({ api, client, onPasswordReset, onDone }: LinkActionOptions) {
  const section = byId('link-action');
  const form = byId('link-action-form', HTMLFormElement);
  let waiting: { kind: Kind; token: string } | null = null;

  function open(fragment: string): void {
    const asked = new URLSearchParams(fragment.replace(/^#/, ''));
    const kind = KINDS[asked.get('action') ?? ''];
    const token = asked.get('token');
    if (!kind || !token) return;
    waiting = { kind, token };
    say('');
    resetForm(form);
    byId('link-action-title').textContent = kind.title;
    byId('link-action-text').textContent = kind.text;
    byId('link-action-password').hidden = kind !== KINDS.reset_password;
    const submit = form.querySelector('.primary');
    if (submit) submit.textContent = kind.button;
    section.hidden = false;
    section.scrollIntoView({ block: 'nearest' });
    byId('link-action-title').focus();
  }

  function openFromAddress(): void {
    if (!location.hash.startsWith('#action=')) return;
    const { hash, pathname, search } = location;
    history.replaceState(null, '', pathname + search);
    open(hash);
  }

  function close(): void {
    waiting = null;
    resetForm(form);
    section.hidden = true;
  }

  onSubmit(form, async ({ new_password }) => {
    if (!waiting) return;
    const { kind, token } = waiting;
    const isReset = kind === KINDS.reset_password;
    await api.open('POST', kind.path, isReset ? { token, new_password } : { token });
    close();
    say(kind.done);
    if (isReset) onPasswordReset();
    byId('you').focus();
    // The client hears what became of its user and of its session.
    if (client.user) await client.refresh().catch(() => {});
    onDone();
  });
  byId('link-action-dismiss').addEventListener('click', () => {
    close();
    byId('you').focus();
  });
  window.addEventListener('hashchange', openFromAddress);
  openFromAddress();

  return { open };
}
