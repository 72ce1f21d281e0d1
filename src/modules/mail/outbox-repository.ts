import { v7 as uuidv7 } from 'uuid';
import type { Statements } from '../../database/database.js';
import type { ClaimedMail, MailKind, NewMail } from './mail.js';

/** A mail that could not be sent, for whoever runs the service. */
export type DeadMail = {
  id: string;
  kind: MailKind;
  recipient: string;
  createdAt: Date;
  failedAt: Date;
  attempts: number;
  lastError: string | null;
};

export type OutboxCounts = { waiting: number; dead: number; oldestSeconds: number };

export type OutboxRepository = ReturnType<typeof createOutboxRepository>;

/**
 * Every statement on the outbox: mails wait there for whichever instance sends them.
 *
 * @param enabled false where no mail is sent: then nothing is put in
 */
export function createOutboxRepository(statements: Statements, { enabled }: { enabled: boolean }) {
  return {
    /**
     * Puts a mail in, to go out when this is committed. Always the same one statement, whoever it is for and whatever
     * waits already: the sender finds out what must not go.
     */
    async add(mail: NewMail): Promise<void> {
      if (!enabled) return;
      const { userId, details = {} } = { userId: null, ...mail } as { userId: string | null; details?: object };
      await statements.$executeRaw`
        INSERT INTO outbox_mails (id, kind, recipient, user_id, details)
        VALUES (${uuidv7()}::uuid, ${mail.kind}, ${mail.recipient}, ${userId}::uuid, ${JSON.stringify(details)}::jsonb)`;
    },

    /** Takes mails of one kind to one person out again, sent or not: a newer one is about to replace them. */
    async withdraw(kind: MailKind, userId: string): Promise<void> {
      await statements.$executeRaw`DELETE FROM outbox_mails WHERE kind = ${kind} AND user_id = ${userId}::uuid`;
    },

    /**
     * Takes mails that are due, passing over what another instance is just taking. They belong to the caller for the
     * time of the lease: if it dies, another one takes them after that.
     */
    claim(limit: number, leaseSeconds: number): Promise<ClaimedMail[]> {
      return statements.$queryRaw<ClaimedMail[]>`
        UPDATE outbox_mails m
        SET attempts = m.attempts + 1, next_attempt_at = now() + make_interval(secs => ${leaseSeconds})
        WHERE m.id = ANY (ARRAY(
          SELECT id FROM outbox_mails WHERE failed_at IS NULL AND next_attempt_at <= now()
          ORDER BY next_attempt_at FOR UPDATE SKIP LOCKED LIMIT ${limit}
        ))
        RETURNING m.id, m.kind, m.recipient, m.user_id AS "userId", m.details, m.created_at AS "createdAt",
          m.attempts AS attempt, extract(epoch FROM now() - m.created_at)::float8 AS "ageSeconds"`;
    },

    /**
     * Whether a claimed mail is still the caller's, until the end of the transaction: it was not withdrawn, and no other
     * instance took it over because the lease ran out.
     */
    async holds({ id, attempt }: ClaimedMail): Promise<boolean> {
      const rows = await statements.$queryRaw<unknown[]>`
        SELECT 1 FROM outbox_mails WHERE id = ${id}::uuid AND attempts = ${attempt} AND failed_at IS NULL FOR UPDATE`;
      return rows.length > 0;
    },

    /** Whether an older mail of the same kind waits for the same address: that one will do. */
    async waitsAlready({ id, kind, recipient, createdAt }: ClaimedMail): Promise<boolean> {
      const rows = await statements.$queryRaw<unknown[]>`
        SELECT 1 FROM outbox_mails
        WHERE kind = ${kind} AND recipient = ${recipient} AND user_id IS NULL AND failed_at IS NULL
          AND (created_at, id) < (${createdAt}::timestamptz, ${id}::uuid)
        LIMIT 1`;
      return rows.length > 0;
    },

    /** Sent, or not to be sent. */
    async remove({ id, attempt }: ClaimedMail): Promise<void> {
      await statements.$executeRaw`DELETE FROM outbox_mails WHERE id = ${id}::uuid AND attempts = ${attempt}`;
    },

    /** Not sent: to be tried again later. */
    async putOff({ id, attempt }: ClaimedMail, seconds: number, lastError: string): Promise<void> {
      await statements.$executeRaw`
        UPDATE outbox_mails SET next_attempt_at = now() + make_interval(secs => ${seconds}), last_error = ${lastError}
        WHERE id = ${id}::uuid AND attempts = ${attempt}`;
    },

    /** Cannot be sent: stays until somebody retries it, or it is too old. */
    async bury({ id, attempt }: ClaimedMail, lastError: string): Promise<void> {
      await statements.$executeRaw`
        UPDATE outbox_mails SET failed_at = now(), last_error = ${lastError}
        WHERE id = ${id}::uuid AND attempts = ${attempt}`;
    },

    async count(): Promise<OutboxCounts> {
      const rows = await statements.$queryRaw<OutboxCounts[]>`
        SELECT (count(*) FILTER (WHERE failed_at IS NULL))::int AS waiting,
          (count(*) FILTER (WHERE failed_at IS NOT NULL))::int AS dead,
          coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE failed_at IS NULL)), 0)::float8 AS "oldestSeconds"
        FROM outbox_mails`;
      return rows[0] ?? { waiting: 0, dead: 0, oldestSeconds: 0 };
    },

    /** The mails that could not be sent, newest first. */
    listDead(limit: number): Promise<DeadMail[]> {
      return statements.$queryRaw<DeadMail[]>`
        SELECT id, kind, recipient, created_at AS "createdAt", failed_at AS "failedAt", attempts, last_error AS "lastError"
        FROM outbox_mails WHERE failed_at IS NOT NULL ORDER BY failed_at DESC, id LIMIT ${limit}`;
    },

    /**
     * Lets mails that could not be sent wait again. They stay what was tried before: no other mail has gone out in their
     * place, so the pause between mails is not for them.
     *
     * @param id one, or null for all
     * @returns how many
     */
    retryDead(id: string | null): Promise<number> {
      return statements.$executeRaw`
        UPDATE outbox_mails SET failed_at = NULL, created_at = now(), next_attempt_at = now()
        WHERE failed_at IS NOT NULL AND (${id}::uuid IS NULL OR id = ${id}::uuid)`;
    },

    /** Takes back every mail that waits for a person, whether it was asked for by their address or not. */
    async removeFor(userId: string, email: string): Promise<void> {
      await statements.outboxMail.deleteMany({
        where: { OR: [{ userId }, { recipient: email, userId: null, kind: { not: 'account_deleted' } }] },
      });
    },
  };
}
