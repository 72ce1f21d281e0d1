import { v7 as uuidv7 } from 'uuid';
import type { Database } from '../../database/database.js';
import { Prisma } from '../../generated/prisma/client.js';
import type { EndReason, Session, SessionSnapshot, SessionUser, Transport } from './session.js';

export type NewSession = {
  userId: string;
  transport: Transport;
  userAgent: string | null;
  ip: string | null;
  idleSeconds: number;
  absoluteSeconds: number;
};

/** A session that this statement ended. */
export type EndedSession = { sessionId: string; reason: EndReason };

/** A refresh token that came back after it had been replaced, and from where. */
export type ReuseReport = {
  sessionId: string;
  presentedGeneration: number;
  userAgent: string | null;
  ip: string | null;
};

export type SessionRepository = ReturnType<typeof createSessionRepository>;

/** Every statement on the table of sessions. Lifetimes are decided in them, by the database's clock. */
export function createSessionRepository(database: Database) {
  return {
    /** Opens a session at generation 1. */
    async insert(session: NewSession): Promise<SessionSnapshot> {
      const rows = await database.$queryRaw<SnapshotRow[]>`
        WITH s AS (
          INSERT INTO sessions (id, user_id, transport, idle_expires_at, expires_at, user_agent, ip)
          VALUES (
            ${uuidv7()}::uuid, ${session.userId}::uuid, ${session.transport},
            now() + make_interval(secs => ${Math.min(session.idleSeconds, session.absoluteSeconds)}),
            now() + make_interval(secs => ${session.absoluteSeconds}),
            ${session.userAgent}, ${session.ip}::inet
          )
          RETURNING *
        )
        SELECT ${SNAPSHOT} FROM s JOIN users u ON u.id = s.user_id`;
      return toSnapshot(firstOf(rows));
    },

    /**
     * Moves a live session from `generation` to the next one. The condition is what makes it happen once, whoever
     * else tries; only columns that no index holds are changed, so that the update is heap-only.
     *
     * @returns null when the session is not live, not at that generation or does not use that transport
     */
    async rotate(
      sessionId: string,
      generation: number,
      transport: Transport,
      idleSeconds: number,
    ): Promise<SessionSnapshot | null> {
      const rows = await database.$queryRaw<SnapshotRow[]>`
        UPDATE sessions s
        SET generation = s.generation + 1,
            -- Whoever presents a token has received it.
            confirmed_generation = s.generation,
            rotated_at = now(),
            idle_expires_at = least(now() + make_interval(secs => ${idleSeconds}), s.expires_at)
        FROM users u
        WHERE s.id = ${sessionId}::uuid AND s.generation = ${generation} AND s.transport = ${transport}
          AND ${IS_LIVE} AND u.id = s.user_id
        RETURNING ${SNAPSHOT}`;
      return rows[0] ? toSnapshot(rows[0]) : null;
    },

    async find(sessionId: string): Promise<SessionSnapshot | null> {
      const rows = await database.$queryRaw<SnapshotRow[]>`
        SELECT ${SNAPSHOT} FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ${sessionId}::uuid`;
      return rows[0] ? toSnapshot(rows[0]) : null;
    },

    /** The live sessions of a person, newest first. */
    async listLive(userId: string): Promise<Session[]> {
      const rows = await database.$queryRaw<SnapshotRow[]>`
        SELECT ${SNAPSHOT} FROM sessions s JOIN users u ON u.id = s.user_id
        WHERE s.user_id = ${userId}::uuid AND ${IS_LIVE}
        ORDER BY s.created_at DESC, s.id DESC`;
      return rows.map((row) => toSnapshot(row).session);
    },

    /**
     * Notes generations that clients have received, in one statement. A session that has moved on since is left alone,
     * and so is one that somebody else has locked: they rotate, confirm or end it, and nobody is to wait for a note.
     *
     * @param notes session id and generation
     */
    async confirm(notes: [sessionId: string, generation: number][]): Promise<void> {
      const ids = notes.map(([sessionId]) => sessionId);
      const generations = notes.map(([, generation]) => generation);
      await database.$executeRaw`
        WITH due AS (
          SELECT s.id FROM sessions s JOIN unnest(${ids}::uuid[], ${generations}::int[]) AS noted (id, generation)
            ON s.id = noted.id AND s.generation = noted.generation
          WHERE s.confirmed_generation < s.generation AND s.ended_at IS NULL
          ORDER BY s.id FOR NO KEY UPDATE OF s SKIP LOCKED
        )
        UPDATE sessions s SET confirmed_generation = s.generation FROM due WHERE s.id = due.id`;
    },

    /** Ends a session over reuse, once, and records the incident with it. @returns null when it had ended before */
    async endForReuse(report: ReuseReport): Promise<EndedSession | null> {
      const ended = await database.$queryRaw<EndedSession[]>`
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
        )
        SELECT id AS "sessionId", end_reason AS reason FROM ended`;
      return ended[0] ?? null;
    },

    /** Ends the oldest live sessions of a person past the newest `keep`. */
    endOldest(userId: string, keep: number, reason: EndReason): Promise<EndedSession[]> {
      return endWhere(
        Prisma.sql`id IN (
          SELECT s.id FROM sessions s WHERE s.user_id = ${userId}::uuid AND ${IS_LIVE}
          ORDER BY s.created_at DESC, s.id DESC OFFSET ${keep})`,
        reason,
      );
    },

    /** Ends one session, once. @returns null when it had ended before or never was */
    async end(sessionId: string, reason: EndReason): Promise<EndedSession | null> {
      const ended = await endWhere(Prisma.sql`id = ${sessionId}::uuid`, reason);
      return ended[0] ?? null;
    },

    /** Ends one live session of a person. @returns null when they have no such live session */
    async endOwn(userId: string, sessionId: string, reason: EndReason): Promise<EndedSession | null> {
      const ended = await endWhere(
        Prisma.sql`id = ${sessionId}::uuid AND user_id = ${userId}::uuid AND idle_expires_at > now() AND expires_at > now()`,
        reason,
      );
      return ended[0] ?? null;
    },

    /** Ends every session of a person, but for one if that is named. */
    endAllOf(userId: string, reason: EndReason, exceptSessionId: string | null): Promise<EndedSession[]> {
      return endWhere(Prisma.sql`user_id = ${userId}::uuid AND id IS DISTINCT FROM ${exceptSessionId}::uuid`, reason);
    },
  };

  function endWhere(condition: Prisma.Sql, reason: EndReason): Promise<EndedSession[]> {
    return database.$queryRaw<EndedSession[]>`
      UPDATE sessions SET ended_at = now(), end_reason = ${reason}
      WHERE ended_at IS NULL AND ${condition}
      RETURNING id AS "sessionId", end_reason AS reason`;
  }
}

const IS_LIVE = Prisma.sql`s.ended_at IS NULL AND s.idle_expires_at > now() AND s.expires_at > now()`;

const SNAPSHOT = Prisma.sql`
  s.id, s.user_id, s.transport, s.generation, s.confirmed_generation, s.created_at, s.rotated_at, s.idle_expires_at, s.expires_at,
  s.ended_at, s.end_reason, s.user_agent, host(s.ip) AS ip,
  u.email, u.email_verified_at, u.created_at AS user_created_at, now() AS now`;

type SnapshotRow = {
  id: string;
  user_id: string;
  transport: Transport;
  generation: number;
  confirmed_generation: number;
  created_at: Date;
  rotated_at: Date;
  idle_expires_at: Date;
  expires_at: Date;
  ended_at: Date | null;
  end_reason: EndReason | null;
  user_agent: string | null;
  ip: string | null;
  email: string;
  email_verified_at: Date | null;
  user_created_at: Date;
  now: Date;
};

function toSnapshot(row: SnapshotRow): SessionSnapshot {
  const session: Session = {
    id: row.id,
    userId: row.user_id,
    transport: row.transport,
    generation: row.generation,
    confirmedGeneration: row.confirmed_generation,
    createdAt: row.created_at,
    rotatedAt: row.rotated_at,
    idleExpiresAt: row.idle_expires_at,
    expiresAt: row.expires_at,
    endedAt: row.ended_at,
    endReason: row.end_reason,
    userAgent: row.user_agent,
    ip: row.ip,
  };
  const user: SessionUser = {
    id: row.user_id,
    email: row.email,
    emailVerified: row.email_verified_at !== null,
    createdAt: row.user_created_at,
  };
  return { session, user, now: row.now };
}

function firstOf<Row>(rows: Row[]): Row {
  const [row] = rows;
  if (row === undefined) throw new Error('The statement returned no row.');
  return row;
}
