import { isLocal } from '../src/config-rules.js';

/**
 * Mails stay in memory, where /dev/mailbox shows them: for a service on this machine.
 *
 * @param issuer the service's own origin
 */
export function developmentMail(issuer: string): Record<string, string> {
  if (!isLocal(issuer)) return {};
  return { SMTP_URL: 'memory:', MAIL_FROM: 'Gatehouse <no-reply@gatehouse.test>', APP_URL: `${issuer}/playground` };
}
