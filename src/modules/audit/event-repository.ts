import { v7 as uuidv7 } from 'uuid';
import type { Statements } from '../../database/database.js';
import { Prisma } from '../../generated/prisma/client.js';
import type { ClientInfo } from '../../shared/client-info.js';
import type { Event, EventDetails, EventType, NewEvent } from './event.js';

export type EventRepository = ReturnType<typeof createEventRepository>;

/** Some hundredths of a second: few people have more events. */
const ERASED_AT_ONCE = 2_000;

/** Every statement on the table of events. */
export function createEventRepository(statements: Statements) {
  return {
    /** The lock makes it wait for an account that is just being deleted: what is written after that would stay behind. */
    async add({ type, userId, sessionId = null, client, details = {} }: NewEvent): Promise<void> {
      await statements.$executeRaw`
        INSERT INTO events (id, user_id, session_id, type, ip, user_agent, details)
        SELECT ${uuidv7()}::uuid, owner.id, ${sessionId}::uuid, ${type},
          ${client?.ip}::inet, ${client?.userAgent}, ${JSON.stringify(details)}::jsonb
        FROM (SELECT id FROM users WHERE id = ${userId}::uuid FOR KEY SHARE) AS owner`;
    },

    /**
     * Events of a person, newest first.
     *
     * @param before the id of one of their events: only those that come after it in that order; null for the newest
     */
    list(userId: string, before: string | null, limit: number): Promise<Event[]> {
      // Compared in the database, which counts microseconds.
      const older =
        before === null
          ? Prisma.empty
          : Prisma.sql`AND (created_at, id) < (
              SELECT created_at, id FROM events WHERE id = ${before}::uuid AND user_id = ${userId}::uuid)`;
      return statements.$queryRaw<Event[]>`
        SELECT id, type, session_id AS "sessionId", host(ip) AS ip, user_agent AS "userAgent",
          created_at AS "createdAt", details
        FROM events WHERE user_id = ${userId}::uuid ${older}
        ORDER BY created_at DESC, id DESC LIMIT ${limit}`;
    },

    async ownerOf(eventId: string): Promise<string | null> {
      const event = await statements.event.findUnique({ where: { id: eventId }, select: { userId: true } });
      return event?.userId ?? null;
    },

    /**
     * Takes from a person's newest events all that tells of the person, and leaves what happened when. Do it when the
     * account is deleted already, in the same transaction: then no other event comes after it. What is more than that
     * transaction should hold, retention erases soon: until then the event that tells of the deletion is marked.
     */
    async eraseOf(userId: string): Promise<void> {
      const erased = await statements.$executeRaw`
        UPDATE events SET session_id = NULL, ip = NULL, user_agent = NULL, details = '{}' WHERE id IN (
          SELECT id FROM events
          WHERE user_id = ${userId}::uuid AND type <> 'account_deleted'
            AND (session_id IS NOT NULL OR ip IS NOT NULL OR user_agent IS NOT NULL OR details <> '{}')
          ORDER BY created_at DESC, id DESC LIMIT ${ERASED_AT_ONCE}
        )`;
      if (erased === ERASED_AT_ONCE) return;
      await statements.$executeRaw`
        UPDATE events SET details = '{}', session_id = NULL, ip = NULL, user_agent = NULL
        WHERE user_id = ${userId}::uuid AND type = 'account_deleted'`;
    },
  };
}

/**
 * One event for each row of `source`, which has `user_id` and `session_id`: to stand as a CTE beside the statement that
 * it tells of, so that the two happen together or not at all.
 *
 * @param details SQL of type jsonb; may name columns of the source
 */
export function insertEventsFrom(
  source: Prisma.Sql,
  type: EventType | Prisma.Sql,
  client: ClientInfo | null,
  details: EventDetails | Prisma.Sql = {},
): Prisma.Sql {
  const detailsSql = details instanceof Prisma.Sql ? details : Prisma.sql`${JSON.stringify(details)}::jsonb`;
  // Version 4, since Postgres before 18 makes no other: the time decides the order, and the id only among equals.
  return Prisma.sql`
    INSERT INTO events (id, user_id, session_id, type, ip, user_agent, details)
    SELECT gen_random_uuid(), source.user_id, source.session_id, ${type instanceof Prisma.Sql ? type : Prisma.sql`${type}`},
      ${client?.ip}::inet, ${client?.userAgent}, ${detailsSql}
    FROM ${source} AS source`;
}
