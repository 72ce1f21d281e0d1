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

/** A session that ended, as the instances need to know it. */
export type EndedSession = { sessionId: string; reason: EndReason; endedAt: Date };

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

    /** The sessions that ended within the last `seconds`, oldest first. */
    listEndedWithin(seconds: number): Promise<EndedSession[]> {
      return database.$queryRaw<EndedSession[]>`
        SELECT id AS "sessionId", end_reason AS reason, ended_at AS "endedAt" FROM sessions
        WHERE ended_at > now() - make_interval(secs => ${seconds})
        ORDER BY ended_at`;
    },
  };

  function endWhere(condition: Prisma.Sql, reason: EndReason): Promise<EndedSession[]> {
    return database.$queryRaw<EndedSession[]>`
      UPDATE sessions SET ended_at = now(), end_reason = ${reason}
      WHERE ended_at IS NULL AND ${condition}
      RETURNING id AS "sessionId", end_reason AS reason, ended_at AS "endedAt"`;
  }
}

const IS_LIVE = Prisma.sql`s.ended_at IS NULL AND s.idle_expires_at > now() AND s.expires_at > now()`;

const SNAPSHOT = Prisma.sql`
  s.id, s.user_id, s.transport, s.generation, s.created_at, s.rotated_at, s.idle_expires_at, s.expires_at,
  s.ended_at, s.end_reason, s.user_agent, host(s.ip) AS ip,
  u.email, u.email_verified_at, u.created_at AS user_created_at, now() AS now`;

type SnapshotRow = {
  id: string;
  user_id: string;
  transport: Transport;
  generation: number;
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
