import type { Database } from '../../database/database.js';

export type RetentionRepository = ReturnType<typeof createRetentionRepository>;

/**
 * Deletes what is too old to be of use, a batch at a time. Rows that somebody else has locked are left for the next
 * time: another instance that cleans, or a refresh that is just going on.
 */
export function createRetentionRepository(database: Database) {
  return {
    /** Sessions that ended more than `days` ago. @returns how many went */
    deleteEndedSessions: (days: number, batch: number): Promise<number> =>
      database.$executeRaw`
        DELETE FROM sessions WHERE id IN (
          SELECT id FROM sessions WHERE ended_at < now() - make_interval(days => ${days})
          ORDER BY ended_at LIMIT ${batch} FOR UPDATE SKIP LOCKED
        )`,

    /** Sessions that reached their absolute end more than `days` ago. @returns how many went */
    deleteExpiredSessions: (days: number, batch: number): Promise<number> =>
      database.$executeRaw`
        DELETE FROM sessions WHERE id IN (
          SELECT id FROM sessions WHERE expires_at < now() - make_interval(days => ${days})
          ORDER BY expires_at LIMIT ${batch} FOR UPDATE SKIP LOCKED
        )`,

    /** Incidents that were detected more than `days` ago. @returns how many went */
    deleteIncidents: (days: number, batch: number): Promise<number> =>
      database.$executeRaw`
        DELETE FROM reuse_incidents WHERE id IN (
          SELECT id FROM reuse_incidents WHERE detected_at < now() - make_interval(days => ${days})
          ORDER BY detected_at LIMIT ${batch} FOR UPDATE SKIP LOCKED
        )`,
  };
}
