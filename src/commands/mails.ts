import { parseArgs } from 'node:util';
import { validate as isUuid } from 'uuid';
import { loadMigrationUrl } from '../config.js';
import { openDatabase } from '../database/database.js';
import { createOutboxRepository, type DeadMail, type OutboxRepository } from '../modules/mail/outbox-repository.js';
import { type Command, orUsageError, UsageError } from './command.js';

const LISTED_MAILS = 200;

export const mails: Command = {
  summary: 'list the mails that could not be sent, and send them again',
  help: `Usage: node dist/cli.js mails list [--json]
       node dist/cli.js mails retry <id> | --all

  list     How many mails wait, and those that were given up, newest first (${LISTED_MAILS} at most), with the fault of each.
  retry    Lets one of them, or all, be sent again: every instance looks for what is due every few seconds.

Needs DATABASE_URL (or DATABASE_DIRECT_URL). docs/mail.md tells more.`,

  async run([action = '', ...args]) {
    switch (action) {
      case 'list': {
        const { values } = orUsageError(() => parseArgs({ args, options: { json: { type: 'boolean' } } }));
        return withOutbox((outbox) => list(outbox, values.json ?? false));
      }
      case 'retry': {
        const { values, positionals } = orUsageError(() =>
          parseArgs({ args, options: { all: { type: 'boolean' } }, allowPositionals: true }),
        );
        const [id = null, ...rest] = positionals;
        if ((id === null) !== (values.all ?? false) || rest.length > 0) {
          throw new UsageError('mails retry needs one id, or --all.');
        }
        if (id !== null && !isUuid(id)) throw new UsageError(`"${id}" is not the id of a mail.`);
        return withOutbox((outbox) => retry(outbox, id));
      }
      default:
        throw new UsageError(action === '' ? 'mails needs an action.' : `mails cannot "${action}".`);
    }
  },
};

async function withOutbox(work: (outbox: OutboxRepository) => Promise<void>): Promise<void> {
  const database = openDatabase({ url: loadMigrationUrl(), poolSize: 1, log: { warn: () => {} } });
  try {
    await work(createOutboxRepository(database, { enabled: true }));
  } finally {
    await database.$disconnect();
  }
}

async function list(outbox: OutboxRepository, asJson: boolean): Promise<void> {
  const { waiting, dead } = await outbox.count();
  const listed = await outbox.listDead(LISTED_MAILS);
  if (asJson) {
    console.log(JSON.stringify({ waiting, dead, mails: listed.map(toJson) }, null, 2));
    return;
  }
  console.log(`${waiting} waiting, ${dead} given up.`);
  for (const mail of listed) {
    const failedAt = mail.failedAt.toISOString().slice(0, 16);
    console.log(
      `\n${mail.id}  ${mail.kind} to ${mail.recipient}\n  ${failedAt}Z, attempt ${mail.attempts}: ${mail.lastError}`,
    );
  }
}

async function retry(outbox: OutboxRepository, id: string | null): Promise<void> {
  const count = await outbox.retryDead(id);
  if (id !== null && count === 0) throw new Error(`No mail with the id ${id} was given up.`);
  console.log(`${count} ${count === 1 ? 'mail waits' : 'mails wait'} to be sent again.`);
}

function toJson({ id, kind, recipient, createdAt, failedAt, attempts, lastError }: DeadMail) {
  return {
    id,
    kind,
    recipient,
    created_at: createdAt,
    failed_at: failedAt,
    attempts,
    last_error: lastError,
  };
}
