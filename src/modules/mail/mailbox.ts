import type { ClaimedMail, MailKind, Message } from './mail.js';
import type { MailTransport } from './transport.js';

const KEPT_MAILS = 100;

export type ReceivedMail = Message & { id: string; kind: MailKind; createdAt: Date };

export type Mailbox = ReturnType<typeof createMailbox>;

/** For development: keeps mails in memory, where whoever can reach the service can read them. Each instance has its own. */
export function createMailbox({ onReceived }: { onReceived: (mail: Pick<ReceivedMail, 'kind' | 'to'>) => void }) {
  const mails: ReceivedMail[] = [];

  const transport: MailTransport = {
    async send(message: Message, { id, kind }: Pick<ClaimedMail, 'id' | 'kind'>) {
      mails.unshift({ ...message, id, kind, createdAt: new Date() });
      mails.splice(KEPT_MAILS);
      onReceived({ kind, to: message.to });
    },
  };

  return {
    transport,
    /** Newest first. */
    list: (): readonly ReceivedMail[] => mails,
  };
}
