import nodemailer, { type NodemailerError } from 'nodemailer';
import { DeliveryError, type MailTransport } from './transport.js';

/** A mail server that says nothing for so long is not there; `nodemailer` would wait for minutes. */
const TIMEOUTS = {
  dnsTimeout: 5_000,
  connectionTimeout: 5_000,
  greetingTimeout: 5_000,
  socketTimeout: 10_000,
  socketCloseTimeout: 1_000,
};

/**
 * Sends by SMTP, one connection a mail: a sign-in service sends few, and no connection goes stale.
 *
 * @param url as `readSmtpUrl` takes it
 * @param from sender: an address, or a name and one
 */
export function createSmtpTransport({ url, from }: { url: string; from: string }): MailTransport {
  const transporter = nodemailer.createTransport({
    ...readSmtpUrl(url),
    ...TIMEOUTS,
    logger: false,
    // Nothing in a mail names a file or an address to be fetched.
    disableFileAccess: true,
    disableUrlAccess: true,
  });

  return {
    async send({ to, subject, text, html }, _mail, signal) {
      try {
        await transporter.sendMail({
          from,
          // As parts, so that nothing in it is read as syntax.
          to: { name: '', address: to },
          subject,
          text,
          html,
          headers: { 'Auto-Submitted': 'auto-generated' },
          signal,
        });
      } catch (error) {
        throw toDeliveryError(error as NodemailerError);
      }
    },
  };
}

/**
 * `smtp://user:password@host:587` (STARTTLS) or `smtps://…:465` (TLS from the start). Whoever is given a password must
 * show a certificate first; `?tls=off` is for a relay on the same machine or in a network of one's own.
 */
export function readSmtpUrl(text: string) {
  const url = new URL(text);
  const secure = url.protocol === 'smtps:';
  const withoutTls = !secure && url.searchParams.get('tls') === 'off';
  const auth = url.username
    ? { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) }
    : undefined;
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port) || (secure ? 465 : 587),
    secure,
    ignoreTLS: withoutTls,
    requireTLS: !secure && !withoutTls && auth !== undefined,
    ...(auth === undefined ? {} : { auth }),
  };
}

/** Commands at which a server refuses this very mail; what it refuses at others (signing in, the sender) is not the mail's fault. */
const ABOUT_THE_MAIL = new Set(['RCPT TO', 'DATA', 'API']);

/** What servers say may repeat the address, so only codes are kept. */
function toDeliveryError({ code, originalCode, responseCode, response, command, permanent }: NodemailerError) {
  const isAboutTheMail = ABOUT_THE_MAIL.has(command ?? '');
  if (responseCode === undefined) {
    const unsendable = code === 'EENVELOPE' && isAboutTheMail;
    const words = unsendable
      ? 'the address cannot be written to'
      : `the mail server could not be asked: ${originalCode ?? code ?? 'no reason given'}`;
    return new DeliveryError(words, { permanent: unsendable, outage: !unsendable });
  }
  const [enhanced] = /\b[245]\.\d{1,3}\.\d{1,3}\b/.exec(response ?? '') ?? [];
  const codes = [responseCode, enhanced].filter(Boolean).join(' ');
  const where = /^[A-Z0-9 ]{1,20}$/.test(command ?? '') ? command : 'an unknown command';
  return new DeliveryError(`the mail server refused at ${where}: ${codes}`, {
    permanent: isAboutTheMail && permanent === true,
    outage: !isAboutTheMail,
  });
}
