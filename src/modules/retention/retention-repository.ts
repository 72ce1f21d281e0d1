import type { Database } from '../../database/database.js';
import { Prisma } from '../../generated/prisma/client.js';

/** Rows of a table that leave. */
export type RetentionRule = {
  table: string;
  /** Lets some of them go, `batch` at the most. @returns how many went */
  clean: (batch: number) => Promise<number>;
};

/** What leaves: rows of a table when a column of theirs is older than the retention, or than days of their own. */
const RULES: { table: string; key: string; column: string; days?: number; unless?: string }[] = [
  { table: 'sessions', key: 'id', column: 'ended_at' },
  { table: 'sessions', key: 'id', column: 'expires_at' },
  { table: 'reuse_incidents', key: 'id', column: 'detected_at' },
  { table: 'events', key: 'id', column: 'created_at' },
  // Dead letters.
  { table: 'outbox_mails', key: 'id', column: 'failed_at' },
  // What is stopped for good stays stopped, and what came near to it is not forgotten soon.
  {
    table: 'attempts',
    key: 'subject',
    column: 'last_attempt_at',
    unless: "blocked_until = 'infinity' OR failures >= 5 AND last_attempt_at > now() - interval '90 days'",
  },
  // Longer than any instance remembers them.
  { table: 'session_endings', key: 'session_id', column: 'ended_at', days: 1 },
  // Longer than any link lives, and than it counts that one was sent.
  { table: 'one_time_tokens', key: 'token_hash', column: 'created_at', days: 2 },
  // Nobody sent them, and nobody is waiting any more.
  { table: 'outbox_mails', key: 'id', column: 'created_at' },
];

/**
 * Deletes what is too old to be of use, a batch at a time. Rows that somebody else has locked are left for the next
 * time: another instance that cleans, or a refresh that is just going on.
 */
export function createRetentionRules(database: Database, retentionDays: number): RetentionRule[] {
  const rules: RetentionRule[] = RULES.map(({ table, key, column, days = retentionDays, unless = 'false' }) => {
    const [tableSql, keySql, columnSql] = [table, key, column].map((name) => Prisma.raw(name));
    return {
      table,
      clean: (batch) =>
        database.$executeRaw`
          DELETE FROM ${tableSql} WHERE ${keySql} IN (
            SELECT ${keySql} FROM ${tableSql} WHERE ${columnSql} < now() - make_interval(days => ${days}) AND NOT (${Prisma.raw(unless)})
            ORDER BY ${columnSql} LIMIT ${batch} FOR UPDATE SKIP LOCKED
          )`,
    };
  });
  return [...rules, { table: 'events_of_departed', clean: eraseEventsOfDeparted }];

  /**
   * Somebody who left had more events than could be erased in one go: here are the rest, and at last the mark. Rows of
   * theirs do not come to be any more, so that none is missed.
   */
  async function eraseEventsOfDeparted(batch: number): Promise<number> {
    const rows = await database.$queryRaw<{ count: number }[]>`
      WITH departed AS (
        SELECT id, user_id FROM events WHERE type = 'account_deleted' AND details <> '{}'
        ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED
      ), rest AS (
        SELECT e.id FROM events e JOIN departed USING (user_id)
        WHERE e.type <> 'account_deleted'
          AND (e.session_id IS NOT NULL OR e.ip IS NOT NULL OR e.user_agent IS NOT NULL OR e.details <> '{}')
        LIMIT ${batch}
      ), erased AS (
        UPDATE events SET session_id = NULL, ip = NULL, user_agent = NULL, details = '{}'
        FROM rest WHERE events.id = rest.id RETURNING events.id
      ), unmarked AS (
        UPDATE events SET details = '{}' FROM departed
        WHERE events.id = departed.id AND NOT EXISTS (SELECT FROM rest) RETURNING events.id
      )
      SELECT count(*)::int AS count FROM (SELECT id FROM erased UNION ALL SELECT id FROM unmarked) AS done`;
    return rows[0]?.count ?? 0;
  }
}
