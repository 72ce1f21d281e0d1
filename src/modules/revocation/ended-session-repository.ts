import type { Database } from '../../database/database.js';

/** A session that ended, as the instances need to know it. */
export type EndedSession = { sessionId: string; reason: string };

/** Where to go on reading: after this transaction and, within it, after this session. */
export type EndedSessionCursor = { position: bigint; sessionId: string };

export type EndedSessionPage = {
  ended: EndedSession[];
  /** The oldest transaction that was still open: where to begin the next time. */
  position: bigint;
  /** Where the next page begins; null after the last one. */
  next: EndedSessionCursor | null;
};

export type EndedSessionRepository = ReturnType<typeof createEndedSessionRepository>;

/** Before everything. */
export const START: EndedSessionCursor = { position: 0n, sessionId: '00000000-0000-0000-0000-000000000000' };

/** Small enough to be read well within every deadline, however many sessions an operator ends at once. */
const PAGE = 5_000;

/** Reads which sessions ended; triggers on their table note it, whoever ends or deletes them. */
export function createEndedSessionRepository(database: Database) {
  return {
    /**
     * One page of the sessions that ended after a cursor; from the start, only those of the last `seconds`.
     *
     * A position is a transaction. Beginning with the oldest one that was open the last time, whatever it and later ones
     * ended is read again, so that none is missed that commits late; being told twice does no harm.
     */
    async listSince({ position, sessionId }: EndedSessionCursor, seconds: number): Promise<EndedSessionPage> {
      const rows = await database.$queryRaw<PageRow[]>`
        WITH snapshot AS (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin)
        SELECT snapshot.xmin, ended.* FROM snapshot LEFT JOIN LATERAL (
          SELECT session_id AS "sessionId", reason, position FROM session_endings
          WHERE (position, session_id) > (${position}, ${sessionId}::uuid)
            AND (${position} > 0 OR ended_at > now() - make_interval(secs => ${seconds}))
          ORDER BY position, session_id LIMIT ${PAGE}
        ) ended ON true`;
      const ended = rows.flatMap(({ sessionId: id, reason }) => (id && reason ? [{ sessionId: id, reason }] : []));
      const last = rows.at(-1);
      const next = last?.position && last.sessionId ? { position: last.position, sessionId: last.sessionId } : null;
      return { ended, position: rows[0]?.xmin ?? position, next: ended.length < PAGE ? null : next };
    },
  };
}

type PageRow = { xmin: bigint; sessionId: string | null; reason: string | null; position: bigint | null };
