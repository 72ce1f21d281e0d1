import { v7 as uuidv7 } from 'uuid';
import type { Statements } from '../../database/database.js';
import { Prisma } from '../../generated/prisma/client.js';
import type { ClientInfo } from '../../shared/client-info.js';
import { insertEventsFrom } from '../audit/event-repository.js';
import type { EndReason } from './session.js';

/** A session that has ended. */
export type EndedSession = { sessionId: string; reason: EndReason };

/** Why sessions are ended, and who asked for it. */
export type Ending = { reason: EndReason; client: ClientInfo | null };

/** A refresh token that came back after it had been replaced, and from where. */
export type ReuseReport = {
  sessionId: string;
  presentedGeneration: number;
  userAgent: string | null;
  ip: string | null;
};

/** The statements that end sessions, and those that find what ended: a part of the session repository. */
export function createSessionEndings(statements: Statements) {
  return {
    /** Ends a session over reuse, once, and records the incident with it. @returns null when it had ended before */
    async endForReuse(report: ReuseReport): Promise<EndedSession | null> {
      const ended = await statements.$queryRaw<EndedSession[]>`
        WITH ended AS (
          UPDATE sessions SET ended_at = now(), end_reason = 'reuse_detected'
          WHERE ended_at IS NULL AND id = ${report.sessionId}::uuid
          RETURNING *
        ), incident AS (
          INSERT INTO reuse_incidents (id, session_id, user_id, generation, presented_generation, rotated_at,
            session_user_agent, session_ip, user_agent, ip)
          SELECT ${uuidv7()}::uuid, id, user_id, generation, ${report.presentedGeneration}, rotated_at,
            user_agent, ip, ${report.userAgent}, ${report.ip}::inet
          FROM ended
        ), reused AS (
          SELECT id AS session_id, user_id, generation FROM ended
        ), event AS (
          ${insertEventsFrom(
            Prisma.sql`reused`,
            'refresh_reuse',
            report,
            Prisma.sql`jsonb_build_object('generation', source.generation, 'presented_generation', ${report.presentedGeneration}::int)`,
          )}
        )
        SELECT id AS "sessionId", end_reason AS reason FROM ended`;
      return ended[0] ?? null;
    },

    /** Ends the oldest live sessions of a person past the newest `keep`. */
    endOldest(userId: string, keep: number, ending: Ending): Promise<EndedSession[]> {
      return endWhere(
        Prisma.sql`id IN (
          SELECT s.id FROM sessions s
          WHERE s.user_id = ${userId}::uuid AND s.ended_at IS NULL AND s.idle_expires_at > now() AND s.expires_at > now()
          ORDER BY s.created_at DESC, s.id DESC OFFSET ${keep})`,
        ending,
      );
    },

    /** Ends one session, once. @returns null when it had ended before or never was */
    async end(sessionId: string, ending: Ending): Promise<EndedSession | null> {
      const ended = await endWhere(Prisma.sql`id = ${sessionId}::uuid`, ending);
      return ended[0] ?? null;
    },

    /** Ends one live session of a person. @returns null when they have no such live session */
    async endOwn(userId: string, sessionId: string, ending: Ending): Promise<EndedSession | null> {
      const ended = await endWhere(
        Prisma.sql`id = ${sessionId}::uuid AND user_id = ${userId}::uuid AND idle_expires_at > now() AND expires_at > now()`,
        ending,
      );
      return ended[0] ?? null;
    },

    /**
     * Ends the next sessions of anybody, in the order of their ids.
     *
     * @param after the last id of those before
     * @param limit few enough that neither a statement nor what it locks lasts long
     */
    endNext(after: string, limit: number, ending: Ending): Promise<EndedSession[]> {
      return endWhere(
        Prisma.sql`id IN (
          SELECT id FROM sessions WHERE ended_at IS NULL AND id > ${after}::uuid ORDER BY id LIMIT ${limit})`,
        ending,
      );
    },

    /** How many sessions of a person, or of everybody, have not ended, whether or not they have expired. */
    async countUnended(userId: string | null = null): Promise<number> {
      const [row] = await statements.$queryRaw<{ count: number }[]>`
        SELECT count(*)::int AS count FROM sessions
        WHERE ended_at IS NULL AND (${userId}::uuid IS NULL OR user_id = ${userId}::uuid)`;
      return row?.count ?? 0;
    },

    /** Ends every session of a person, but for one if that is named. */
    endAllOf(userId: string, ending: Ending, exceptSessionId: string | null): Promise<EndedSession[]> {
      return endWhere(Prisma.sql`user_id = ${userId}::uuid AND id IS DISTINCT FROM ${exceptSessionId}::uuid`, ending);
    },

    /** Keeps all sessions of a person that have not ended as they are until the transaction ends, in the order in which they are ended. */
    async lockAllOf(userId: string): Promise<void> {
      await statements.$queryRaw`
        SELECT 1 FROM sessions WHERE user_id = ${userId}::uuid AND ended_at IS NULL ORDER BY id FOR NO KEY UPDATE`;
    },

    /** Why a session ended, also for a day after its row is gone. @returns null when it did not */
    async findEndReason(sessionId: string): Promise<EndReason | null> {
      const rows = await statements.$queryRaw<{ reason: EndReason | null }[]>`
        SELECT coalesce(
          (SELECT end_reason FROM sessions WHERE id = ${sessionId}::uuid),
          (SELECT reason FROM session_endings WHERE session_id = ${sessionId}::uuid)
        ) AS reason`;
      return rows[0]?.reason ?? null;
    },

    /** The sessions of a person that ended within the last `seconds`. */
    listEndedOf(userId: string, seconds: number): Promise<EndedSession[]> {
      return statements.$queryRaw<EndedSession[]>`
        SELECT id AS "sessionId", end_reason AS reason FROM sessions
        WHERE user_id = ${userId}::uuid AND ended_at > now() - make_interval(secs => ${seconds})`;
    },
  };

  /**
   * Each ending is also an event, but for those of sessions that were over already. Rows are locked in the order of
   * their ids, so that two who end several sessions of one person at once do not wait for each other for ever.
   */
  function endWhere(condition: Prisma.Sql, { reason, client }: Ending): Promise<EndedSession[]> {
    const type = reason === 'logout' ? 'logout' : 'session_ended';
    return statements.$queryRaw<EndedSession[]>`
      WITH due AS (
        SELECT id FROM sessions WHERE ended_at IS NULL AND ${condition} ORDER BY id FOR NO KEY UPDATE
      ), ended AS (
        UPDATE sessions s SET ended_at = now(), end_reason = ${reason}
        FROM due WHERE s.id = due.id AND s.ended_at IS NULL
        RETURNING s.*
      ), live AS (
        SELECT s.id AS session_id, s.user_id FROM ended s WHERE s.idle_expires_at > now() AND s.expires_at > now()
      ), event AS (
        ${insertEventsFrom(Prisma.sql`live`, type, client, reason === 'logout' ? {} : { reason })}
      )
      SELECT id AS "sessionId", end_reason AS reason FROM ended`;
  }
}
