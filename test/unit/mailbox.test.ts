import { expect, test } from 'vitest';
import { createMailbox } from '../../src/modules/mail/mailbox.js';

test('keeps the newest hundred mails in memory, newest first, and tells of each without its link', async () => {
  const told: object[] = [];
  const mailbox = createMailbox({ onReceived: (mail) => told.push(mail) });
  const { signal } = new AbortController();
  for (let index = 1; index <= 130; index += 1) {
    const message = { to: `p${index}@example.com`, subject: 's', text: 't', html: 'h', link: 'https://app/#token=x' };
    await mailbox.transport.send(message, { id: String(index), kind: 'verify_email' }, signal);
  }
  expect(mailbox.list()).toHaveLength(100);
  expect(
    mailbox
      .list()
      .map(({ id }) => id)
      .slice(0, 3),
  ).toEqual(['130', '129', '128']);
  expect(told[0]).toEqual({ kind: 'verify_email', to: 'p1@example.com' });
});
