import { v7 as uuidv7 } from 'uuid';
import type { Statements } from '../../database/database.js';
import { isConnectionLost } from '../../database/faults.js';
import { Prisma } from '../../generated/prisma/client.js';
import type { ClientInfo } from '../../shared/client-info.js';
import { insertEventsFrom } from '../audit/event-repository.js';
import type { Rotation } from './rotation-batches.js';
import type { Session, SessionSnapshot, Transport } from './session.js';
import { createSessionEndings } from './session-endings-repository.js';
import { type SnapshotRow, toSnapshot } from './session-row.js';

export type NewSession = {
  userId: string;
  /** Of the password that was proved: if it was changed since, no session is opened. */
  passwordVersion: number;
  /** How the person proved who they are (RFC 8176). */
  amr: string[];
  transport: Transport;
  userAgent: string | null;
  ip: string | null;
  idleSeconds: number;
  absoluteSeconds: number;
};

export type Renewal = {
  sessionId: string;
  /** Of the caller's access token. */
  generation: number;
  passwordVersion: number;
  /** How they proved it; null when it was less than signing in takes, and counts as no new sign-in. */
  amr: string[] | null;
  idleSeconds: number;
  /** Where the proof came from, to be recorded as an event of its own; left out when it is part of something else. */
  reauthenticated?: ClientInfo;
};

export type SessionRepository = ReturnType<typeof createSessionRepository>;

/** Every statement on the table of sessions. Lifetimes are decided in them, by the database's clock. */
export function createSessionRepository(statements: Statements) {
  return {
    ...createSessionEndings(statements),

    /**
     * Opens a session at generation 1. The lock makes it wait for a change of the password that is under way, and the
     * change for it: either the change ends this session, or this finds that the password is another one.
     *
     * @returns null when the password was changed meanwhile, or the account was disabled or is gone
     */
    async insert(session: NewSession): Promise<SessionSnapshot | null> {
      const rows = await statements.$queryRaw<SnapshotRow[]>`
        WITH owner AS (
          SELECT id FROM users
          WHERE id = ${session.userId}::uuid AND password_version = ${session.passwordVersion} AND disabled_at IS NULL
          FOR SHARE
        ), s AS (
          INSERT INTO sessions (id, user_id, transport, amr, idle_expires_at, expires_at, user_agent, ip)
          SELECT
            ${uuidv7()}::uuid, id, ${session.transport}, ${session.amr}::text[],
            now() + make_interval(secs => ${Math.min(session.idleSeconds, session.absoluteSeconds)}),
            now() + make_interval(secs => ${session.absoluteSeconds}),
            ${session.userAgent}, ${session.ip}::inet
          FROM owner
          RETURNING *
        ), opened AS (
          SELECT id AS session_id, user_id FROM s
        ), event AS (
          ${insertEventsFrom(Prisma.sql`opened`, 'login', session, { amr: session.amr })}
        )
        SELECT ${SNAPSHOT} FROM s JOIN users u ON u.id = s.user_id`;
      return rows[0] ? toSnapshot(rows[0]) : null;
    },

    /**
     * Notes that the owner of a live session has just proved anew who they are, and moves it to its next generation if
     * the caller is known to have received the present one (their access token is of it). If not, nothing moves: they
     * get the present one, and what they hold stays its predecessor. As opening a session, it waits for a change of the
     * password that is under way.
     *
     * @returns null when the session is not live any more, or the password was changed meanwhile
     */
    async renew({
      sessionId,
      generation,
      passwordVersion,
      amr,
      idleSeconds,
      reauthenticated,
    }: Renewal): Promise<SessionSnapshot | null> {
      const event = reauthenticated
        ? Prisma.sql`, event AS (
            ${insertEventsFrom(Prisma.sql`renewed`, 'reauthenticated', reauthenticated, { amr: amr ?? [] })}
          )`
        : Prisma.empty;
      // The lock is for the same reason as that of insert.
      const rows = await statements.$queryRaw<SnapshotRow[]>`
        WITH u AS (
          SELECT u.* FROM users u JOIN sessions s ON s.user_id = u.id
          WHERE s.id = ${sessionId}::uuid AND u.password_version = ${passwordVersion}
          FOR SHARE OF u
        ), s AS (
        UPDATE sessions s
        SET authenticated_at = CASE WHEN ${amr}::text[] IS NULL THEN s.authenticated_at ELSE now() END,
            amr = coalesce(${amr}::text[], s.amr),
            generation = s.generation + (s.generation = ${generation})::int,
            confirmed_generation = CASE WHEN s.generation = ${generation} THEN s.generation ELSE s.confirmed_generation END,
            rotated_at = CASE WHEN s.generation = ${generation} THEN now() ELSE s.rotated_at END,
            idle_expires_at = least(now() + make_interval(secs => ${idleSeconds}), s.expires_at)
        FROM u
        WHERE s.id = ${sessionId}::uuid AND ${IS_LIVE} AND u.id = s.user_id
        RETURNING s.*
        ), renewed AS (
          SELECT id AS session_id, user_id FROM s
        )${event}
        SELECT ${SNAPSHOT} FROM s JOIN u ON u.id = s.user_id`;
      return rows[0] ? toSnapshot(rows[0]) : null;
    },

    /**
     * Moves a live session from its generation to the next one. When the connection breaks under the statement, nobody
     * knows whether that was committed: see `rotateInDoubt`.
     *
     * @returns null when the session is not live, not at that generation or does not use that transport
     */
    async rotate(rotation: Rotation, idleSeconds: number): Promise<SessionSnapshot | null> {
      try {
        return await rotateOnce(rotation, idleSeconds);
      } catch (error) {
        if (!isConnectionLost(error)) throw error;
        return rotateInDoubt(rotation, idleSeconds);
      }
    },

    /**
     * The same for many in one statement, each on its own condition. Fails as a whole.
     *
     * @param rotations no two alike, in the order of their sessions' ids
     * @returns those that were moved
     */
    async rotateMany(rotations: Rotation[], idleSeconds: number): Promise<SessionSnapshot[]> {
      const ids = rotations.map(({ sessionId }) => sessionId);
      const generations = rotations.map(({ generation }) => generation);
      const transports = rotations.map(({ transport }) => transport);
      const rows = await statements.$queryRaw<SnapshotRow[]>`
        UPDATE sessions s SET ${MOVED_ON(idleSeconds)}
        FROM unnest(${ids}::uuid[], ${generations}::int[], ${transports}::text[]) AS presented (id, generation, transport), users u
        WHERE s.id = presented.id AND s.generation = presented.generation AND s.transport = presented.transport
          AND ${IS_LIVE} AND u.id = s.user_id
        RETURNING ${SNAPSHOT}`;
      return rows.map(toSnapshot);
    },

    rotateInDoubt,

    find,

    /** The live sessions of a person, newest first. */
    async listLive(userId: string): Promise<Session[]> {
      const rows = await statements.$queryRaw<SnapshotRow[]>`
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
      await statements.$executeRaw`
        WITH due AS (
          SELECT s.id FROM sessions s JOIN unnest(${ids}::uuid[], ${generations}::int[]) AS noted (id, generation)
            ON s.id = noted.id AND s.generation = noted.generation
          WHERE s.confirmed_generation < s.generation AND s.ended_at IS NULL
          ORDER BY s.id FOR NO KEY UPDATE OF s SKIP LOCKED
        )
        UPDATE sessions s SET confirmed_generation = s.generation FROM due WHERE s.id = due.id`;
    },
  };

  /** The condition is what makes it happen once, whoever else tries. */
  async function rotateOnce(
    { sessionId, generation, transport }: Rotation,
    idleSeconds: number,
  ): Promise<SessionSnapshot | null> {
    const rows = await statements.$queryRaw<SnapshotRow[]>`
      UPDATE sessions s SET ${MOVED_ON(idleSeconds)}
      FROM users u
      WHERE s.id = ${sessionId}::uuid AND s.generation = ${generation} AND s.transport = ${transport}
        AND ${IS_LIVE} AND u.id = s.user_id
      RETURNING ${SNAPSHOT}`;
    return rows[0] ? toSnapshot(rows[0]) : null;
  }

  /**
   * Moves a session after a statement that may have moved it already: its connection broke, or it was one of a batch
   * that failed. The row is asked first. One that was moved on just now has been moved by that statement (or by a tab
   * that came at the same moment, who gets the same successor); one that is still where it was is moved by one more
   * try, whose condition holds whatever becomes of the first.
   */
  async function rotateInDoubt(rotation: Rotation, idleSeconds: number): Promise<SessionSnapshot | null> {
    return (
      (await findJustMoved(rotation)) ?? (await rotateOnce(rotation, idleSeconds)) ?? (await findJustMoved(rotation))
    );
  }

  async function find(sessionId: string): Promise<SessionSnapshot | null> {
    const rows = await statements.$queryRaw<SnapshotRow[]>`
      SELECT ${SNAPSHOT} FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ${sessionId}::uuid`;
    return rows[0] ? toSnapshot(rows[0]) : null;
  }

  /** The session, if it is live and was moved on from that generation within the last few seconds. */
  async function findJustMoved({ sessionId, generation, transport }: Rotation): Promise<SessionSnapshot | null> {
    const rows = await statements.$queryRaw<SnapshotRow[]>`
      SELECT ${SNAPSHOT} FROM sessions s JOIN users u ON u.id = s.user_id
      WHERE s.id = ${sessionId}::uuid AND s.generation = ${generation + 1} AND s.transport = ${transport}
        AND ${IS_LIVE} AND s.rotated_at > now() - make_interval(secs => ${JUST_NOW_SECONDS})`;
    return rows[0] ? toSnapshot(rows[0]) : null;
  }
}

/** Longer than a statement can take, so that what it did is told apart from what was done before. */
const JUST_NOW_SECONDS = 5;

/** Only columns that no index holds are changed, so that the update is heap-only. */
const MOVED_ON = (idleSeconds: number) => Prisma.sql`
  generation = s.generation + 1,
  -- Whoever presents a token has received it.
  confirmed_generation = s.generation,
  rotated_at = now(),
  idle_expires_at = least(now() + make_interval(secs => ${idleSeconds}), s.expires_at)`;

const IS_LIVE = Prisma.sql`s.ended_at IS NULL AND s.idle_expires_at > now() AND s.expires_at > now()`;

const SNAPSHOT = Prisma.sql`
  s.id, s.user_id, s.transport, s.generation, s.confirmed_generation, s.created_at, s.rotated_at, s.idle_expires_at, s.expires_at,
  s.authenticated_at, s.amr, s.ended_at, s.end_reason, s.user_agent, host(s.ip) AS ip,
  u.email, u.email_verified_at, u.created_at AS user_created_at, now() AS now`;
