import type { Statements } from '../../database/database.js';

export type ExportRepository = ReturnType<typeof createExportRepository>;

/** Reads all that is kept on one person, from every table, for themselves. Secrets, and hashes of them, stay where they are. */
export function createExportRepository(statements: Statements) {
  return {
    /** What there is little of. @returns null when there is no such person */
    async summary(userId: string) {
      const user = await statements.user.findUnique({
        where: { id: userId },
        select: {
          id: true,
          email: true,
          emailVerifiedAt: true,
          createdAt: true,
          secondFactor: { select: { createdAt: true, confirmedAt: true, _count: { select: { recoveryCodes: true } } } },
          // Not that of a wish for another address: whether there is one tells whether that address has an account.
          oneTimeTokens: {
            where: { purpose: { not: 'change_email' }, expiresAt: { gt: new Date() } },
            select: { purpose: true, createdAt: true, expiresAt: true },
          },
        },
      });
      return user;
    },

    /** Mails that wait for a person, or that could not be sent, oldest first. */
    mails: (userId: string, email: string, limit: number) =>
      statements.outboxMail.findMany({
        where: {
          OR: [
            { userId, kind: { not: 'change_email' } },
            { recipient: email, userId: null },
          ],
        },
        select: { kind: true, createdAt: true, nextAttemptAt: true, failedAt: true },
        orderBy: { id: 'asc' },
        take: limit,
      }),

    /** Sessions, ended ones too, as long as they are kept; oldest first. @param after the id of the last one before */
    sessions: (userId: string, after: string, limit: number) =>
      statements.session.findMany({
        where: { userId, id: { gt: after } },
        omit: { generation: true, confirmedGeneration: true, userId: true },
        orderBy: { id: 'asc' },
        take: limit,
      }),

    /** Refresh tokens that came back after they had been replaced; oldest first. @param after the id of the last one before */
    reuseIncidents: (userId: string, after: string, limit: number) =>
      statements.reuseIncident.findMany({
        where: { userId, id: { gt: after } },
        omit: { userId: true },
        orderBy: { id: 'asc' },
        take: limit,
      }),
  };
}
