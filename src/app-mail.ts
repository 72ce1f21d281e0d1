import type { FastifyInstance } from 'fastify';
import type { SessionServices } from './app-sessions.js';
import type { Config } from './config.js';
import { createMailPreparation } from './modules/accounts/mail-preparation.js';
import type { InTransaction } from './modules/accounts/unit-of-work.js';
import type { Attempts } from './modules/attempts/attempts.js';
import { createMailSender, type MailOutcome } from './modules/mail/mail-sender.js';
import { createMailTemplates } from './modules/mail/mail-templates.js';
import { createMailbox, type Mailbox } from './modules/mail/mailbox.js';
import { createSmtpTransport } from './modules/mail/smtp-transport.js';
import { describeDevice } from './modules/sessions/device.js';

/** How each outcome is told. */
const TOLD = {
  sent: ['info', 'a mail was sent'],
  put_off: ['warn', 'a mail could not be sent yet; trying again'],
  dead: ['error', 'a mail was given up; see the command "mails list"'],
  dropped: ['debug', 'a mail was not to be sent after all'],
} as const satisfies Record<MailOutcome, readonly ['info' | 'warn' | 'error' | 'debug', string]>;

/**
 * Sends what is in the outbox, where mail is configured.
 *
 * @returns the mailbox in memory, if that is where mails go
 */
export function buildMail(
  config: Config,
  app: FastifyInstance,
  { outbox, mailWaiting, metrics }: SessionServices,
  inTransaction: InTransaction,
  attempts: Pick<Attempts, 'limitMail'>,
): Mailbox | null {
  if (config.mail === undefined) return null;
  const { log } = app;
  const { smtpUrl, from, appUrl } = config.mail;
  const mailbox =
    smtpUrl === 'memory:'
      ? createMailbox({
          onReceived: (mail) => log.info({ event: 'mail_received', ...mail }, 'in the mailbox: /dev/mailbox'),
        })
      : null;
  const prepare = createMailPreparation({ inTransaction });
  const sender = createMailSender({
    repository: outbox,
    transport: mailbox?.transport ?? createSmtpTransport({ url: smtpUrl, from }),
    // What is only tried again was counted before.
    prepare: (mail) =>
      mail.attempt > 1 ? prepare(mail) : attempts.limitMail(mail.kind, mail.recipient, () => prepare(mail)),
    render: createMailTemplates({ serviceName: config.serviceName, appUrl, describeDevice }),
    onOutcome({ id, kind, attempt }, outcome, error) {
      metrics.mailHandled(outcome);
      const [level, text] = TOLD[outcome];
      // Not to whom: a log is no address book.
      log[level]({ event: `mail_${outcome}`, mail_id: id, kind, attempt, ...(error ? { error } : {}) }, text);
    },
    onError: (error) => log.warn({ err: error }, 'the outbox could not be worked on; trying again'),
  });
  mailWaiting.onRaise(sender.wakeSoon);
  app.addHook('onReady', async () => sender.start());
  app.addHook('onClose', () => sender.stop());
  return mailbox;
}
