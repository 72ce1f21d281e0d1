/** Mails that a person asks for by an address, signed in or not: nobody has looked yet whether there is an account. */
export type MailByAddress = { kind: 'verify_email' | 'reset_password' | 'already_registered'; recipient: string };

/** Mails to a person who is known: a link for them, or news of their account. */
export type MailToUser = {
  kind:
    | 'change_email'
    | 'password_changed'
    | 'email_changed'
    | 'refresh_reuse'
    | 'second_factor_enabled'
    | 'second_factor_disabled';
  recipient: string;
  userId: string;
  /** What the mail tells; `newsOf` gathers it. Never a secret. */
  details?: Record<string, string>;
};

/** The last mail: it must go to an address of which nothing else is known any more. */
export type MailToFormerUser = { kind: 'account_deleted'; recipient: string; details?: Record<string, string> };

export type NewMail = MailByAddress | MailToUser | MailToFormerUser;

export type MailKind = NewMail['kind'];

/** A mail that an instance has taken out of the outbox to send it. */
export type ClaimedMail = {
  id: string;
  kind: MailKind;
  recipient: string;
  userId: string | null;
  details: Record<string, string>;
  createdAt: Date;
  /** How old it is, by the database's clock. */
  ageSeconds: number;
  /** This attempt's number. While the mail is in the outbox with this very number, it belongs to whoever claimed it. */
  attempt: number;
};

/** What a link in a mail does, as the app's page reads it from the fragment. */
export type LinkAction = 'verify_email' | 'reset_password' | 'change_email';

/** Made when a mail is sent, and kept nowhere: the token in its link would be as good as a password. */
export type PreparedMail = { recipient: string; link: { action: LinkAction; token: string } | null };

/** A mail in words. */
export type Message = { to: string; subject: string; text: string; html: string; link: string | null };

const LINK_KINDS: ReadonlySet<MailKind> = new Set([
  'verify_email',
  'reset_password',
  'already_registered',
  'change_email',
]);

/** Whether a mail carries a link that is good for some hours, as opposed to news. */
export function carriesLink(kind: MailKind): boolean {
  return LINK_KINDS.has(kind);
}

/** What news of an account tell about where it came from. */
export function newsOf(client: { ip: string | null; userAgent: string | null } | null): Record<string, string> {
  return {
    ...(client?.ip ? { ip: client.ip } : {}),
    ...(client?.userAgent ? { user_agent: client.userAgent } : {}),
  };
}
