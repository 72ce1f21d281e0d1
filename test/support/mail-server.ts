import { type ParsedMail, simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import { expect, onTestFinished } from 'vitest';
import { findFreePort } from '../../scripts/embedded-postgres.js';

export type ReceivedMail = {
  to: string;
  from: string;
  subject: string;
  text: string;
  html: string;
  /** The link that it carries, if any. */
  link: string;
  parsed: ParsedMail;
};

export type MailServer = {
  /** For SMTP_URL. */
  url: string;
  /** All that came so far, oldest first. */
  mails: ReceivedMail[];
  /** Waits for the nth mail to an address with such a subject, and gives it. */
  mailTo: (address: string, subject: RegExp, count?: number) => Promise<ReceivedMail>;
  start: () => Promise<void>;
  /** Nobody can connect from now on. */
  stop: () => Promise<void>;
};

type MailServerOptions = {
  /** What is answered to a recipient; undefined takes them. */
  refuse?: (recipient: string) => { code: number; message: string } | undefined;
  /** Called before a mail is taken. */
  beforeTaking?: (recipient: string) => Promise<void>;
};

/** A mail server of its own on a real port, which reads what it gets. Stopped after the test. */
export async function startMailServer({ refuse, beforeTaking }: MailServerOptions = {}): Promise<MailServer> {
  const port = await findFreePort();
  const mails: ReceivedMail[] = [];
  let server: SMTPServer | undefined;

  async function start(): Promise<void> {
    const started = new SMTPServer({
      disabledCommands: ['STARTTLS', 'AUTH'],
      disableReverseLookup: true,
      closeTimeout: 50,
      onRcptTo({ address }, _session, callback) {
        const refusal = refuse?.(address);
        callback(refusal ? Object.assign(new Error(refusal.message), { responseCode: refusal.code }) : null);
      },
      onData(stream, { envelope }, callback) {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.once('end', async () => {
          const to = envelope.rcptTo[0]?.address ?? '';
          await beforeTaking?.(to);
          mails.push(await read(Buffer.concat(chunks), to));
          callback();
        });
      },
    });
    // A client that hangs up in the middle.
    started.on('error', () => {});
    await new Promise<void>((resolve) => started.listen(port, '127.0.0.1', resolve));
    server = started;
  }

  async function stop(): Promise<void> {
    const running = server;
    server = undefined;
    if (running) await new Promise<void>((resolve) => running.close(resolve));
  }

  await start();
  onTestFinished(stop);
  return {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    async mailTo(address, subject, count = 1) {
      const received = () => mails.filter((mail) => mail.to === address && subject.test(mail.subject));
      const message = `mails to ${address}: ${subject}`;
      await expect.poll(() => received().length, { timeout: 15_000, message }).toBeGreaterThanOrEqual(count);
      return received()[count - 1] ?? expect.unreachable();
    },
    start,
    stop,
  };
}

async function read(raw: Buffer, to: string): Promise<ReceivedMail> {
  const parsed = await simpleParser(raw);
  const text = parsed.text ?? '';
  return {
    to,
    from: parsed.from?.text ?? '',
    subject: parsed.subject ?? '',
    text,
    html: parsed.html || '',
    link: /^https?:\S+$/m.exec(text)?.[0] ?? '',
    parsed,
  };
}

/** For polls: a machine that runs all tests at once is slow. */
export const EVENTUALLY = { timeout: 10_000 };

/** Subjects of mails. */
export const SUBJECT = {
  verify: /^Confirm your address/,
  reset: /^Choose a new password/,
  already: /have an account/,
  change: /^Confirm your new address/,
  passwordChanged: /^Your password .* was changed$/,
  emailChanged: /^Your address .* was changed$/,
  reuse: /signed out/,
};

/** The token in the fragment of a link. */
export function tokenOf({ link }: Pick<ReceivedMail, 'link'>): string {
  return new URLSearchParams(new URL(link).hash.slice(1)).get('token') ?? '';
}
