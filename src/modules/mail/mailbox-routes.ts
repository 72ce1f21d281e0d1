import type { FastifyPluginAsync } from 'fastify';
import type { Mailbox } from './mailbox.js';

/** Only with SMTP_URL=memory: shows every mail, links and all, to anyone who asks. */
export const mailboxRoutes: FastifyPluginAsync<{ mailbox: Mailbox }> = async (app, { mailbox }) => {
  app.get('/dev/mailbox', { schema: { hide: true } }, async () => ({
    mails: mailbox.list().map(({ id, kind, to, subject, text, html, link, createdAt }) => ({
      id,
      kind,
      to,
      subject,
      text,
      html,
      link,
      created_at: createdAt.toISOString(),
    })),
  }));
};
