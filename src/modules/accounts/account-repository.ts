import type { Database } from '../../database/database.js';
import { isUniqueViolation } from '../../database/faults.js';

export type Account = { id: string; email: string; emailVerified: boolean; createdAt: Date; passwordHash: string };

export type AccountRepository = ReturnType<typeof createAccountRepository>;

type UserRow = { id: string; email: string; emailVerifiedAt: Date | null; createdAt: Date; passwordHash: string };

/** Every statement on the table of users. */
export function createAccountRepository(database: Database) {
  return {
    /** @returns null when the address is taken: the unique index decides, however many try at once */
    async insert(email: string, passwordHash: string): Promise<Account | null> {
      try {
        return toAccount(await database.user.create({ data: { email, passwordHash } }));
      } catch (error) {
        if (isUniqueViolation(error)) return null;
        throw error;
      }
    },

    async isTaken(email: string): Promise<boolean> {
      return (await database.user.count({ where: { email } })) > 0;
    },

    async findByEmail(email: string): Promise<Account | null> {
      const row = await database.user.findUnique({ where: { email } });
      return row && toAccount(row);
    },

    async findById(id: string): Promise<Account | null> {
      const row = await database.user.findUnique({ where: { id } });
      return row && toAccount(row);
    },

    /** Replaces a hash by another of the same password, unless it was changed meanwhile. */
    async replaceHash(id: string, from: string, to: string): Promise<void> {
      await database.user.updateMany({ where: { id, passwordHash: from }, data: { passwordHash: to } });
    },
  };
}

function toAccount({ emailVerifiedAt, ...row }: UserRow): Account {
  return { ...row, emailVerified: emailVerifiedAt !== null };
}
