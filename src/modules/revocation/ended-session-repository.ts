import type { Database } from '../../database/database.js';

/** A session that ended, as the instances need to know it. */
export type EndedSession = { sessionId: string; reason: string };

export type EndedSessionPage = {
  ended: EndedSession[];
  /** Where to ask from the next time. */
  position: bigint;
};

export type EndedSessionRepository = ReturnType<typeof createEndedSessionRepository>;

/** Reads which sessions ended; a trigger on their table notes it, whoever ends them. */
export function createEndedSessionRepository(database: Database) {
  return {
    /**
     * The sessions that ended since a position and within the last `seconds`, and the position for the next time.
     *
     * A position is a transaction: the oldest one that was still open. Whatever it and later ones end is asked for
     * again, so that none is missed that commits late; being told twice does no harm. In another cluster (a restored
     * dump) transactions count from a lower number: then everything is asked for anew.
     */
    async listSince(position: bigint, seconds: number): Promise<EndedSessionPage> {
      const rows = await database.$queryRaw<{ position: bigint; sessionId: string | null; reason: string | null }[]>`
        WITH snapshot AS (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS position)
        SELECT snapshot.position, s.id AS "sessionId", s.end_reason AS reason
        FROM snapshot LEFT JOIN sessions s
          ON s.ended_position >= CASE WHEN snapshot.position < ${position} THEN 0 ELSE ${position} END
         AND s.ended_at > now() - make_interval(secs => ${seconds})`;
      const ended = rows.flatMap(({ sessionId, reason }) => (sessionId && reason ? [{ sessionId, reason }] : []));
      return { ended, position: rows[0]?.position ?? position };
    },
  };
}
