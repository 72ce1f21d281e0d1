import { button, byId, make, timeOf } from './dom.js';
import { createPanel } from './panel.js';

type Mail = { id: string; to: string; subject: string; text: string; link: string | null; created_at: string };

const LOOK_EVERY_MS = 2_500;
const SHOWN = 6;

/**
 * The mails of a service in development, newest first. A link in one does what it would do in a mail program, but on
 * this page; its one-time token stays out of the page.
 *
 * @param openLink gets the link's fragment
 */
export function createMailboxPanel(openLink: (fragment: string) => void): void {
  byId('mailbox').hidden = false;
  byId('mailbox-json').hidden = false;
  let shown: string | undefined;
  const panel = createPanel(byId('mailbox-body'), getMails, draw);
  void panel.load();
  setInterval(() => !document.hidden && void lookForNew(), LOOK_EVERY_MS);

  /** Leaves the list alone while nothing has come: somebody may be reading. */
  async function lookForNew(): Promise<void> {
    const mails = await getMails().catch(() => null);
    if (mails && mails[0]?.id !== shown) await panel.load();
  }

  function draw(mails: Mail[]): Node[] {
    shown = mails[0]?.id;
    if (mails.length === 0) return [make('p', { class: 'quiet' }, 'No mail yet. Sign up, and the first one comes.')];
    return [make('ul', { class: 'rows mails' }, ...mails.slice(0, SHOWN).map(row))];
  }

  function row({ to, subject, text, link, created_at }: Mail): HTMLLIElement {
    const open = link ? button('Open its link', 'secondary', () => openLink(new URL(link).hash)) : null;
    open?.setAttribute('aria-label', `Open its link: ${subject}`);
    return make(
      'li',
      {},
      make(
        'details',
        {},
        make('summary', {}, subject),
        make('p', { class: 'text' }, link ? text.replaceAll(link, '(its link)') : text),
      ),
      make('p', { class: 'quiet' }, `${to} · `, timeOf(created_at)),
      open,
    );
  }
}

async function getMails(): Promise<Mail[]> {
  const response = await fetch('/dev/mailbox');
  if (!response.ok) throw new Error('The mailbox cannot be read.');
  return (await response.json()).mails;
}
