import { v7 as uuidv7 } from 'uuid';
import type { Statements } from '../../database/database.js';
import { isUniqueViolation } from '../../database/faults.js';
import { Prisma } from '../../generated/prisma/client.js';
import type { ClientInfo } from '../../shared/client-info.js';
import type { EventDetails } from '../audit/event.js';
import { insertEventsFrom } from '../audit/event-repository.js';

export type Account = {
  id: string;
  /** Normalised. */
  email: string;
  emailVerified: boolean;
  createdAt: Date;
  passwordHash: string;
  /** Counts changes of the password; a new hash of the same one is no change. */
  passwordVersion: number;
  /** Whether signing in takes a second step. */
  hasSecondFactor: boolean;
  /** Whether an operator has closed it. */
  isDisabled: boolean;
};

export type AccountRepository = ReturnType<typeof createAccountRepository>;

/** Every statement on the table of users. */
export function createAccountRepository(statements: Statements) {
  return {
    /** @returns null when the address is taken: the unique index decides, however many try at once */
    async insert(email: string, passwordHash: string, client: ClientInfo): Promise<Account | null> {
      const rows = await statements.$queryRaw<Account[]>`
        WITH u AS (
          INSERT INTO users (id, email, password_hash) VALUES (${uuidv7()}::uuid, ${email}, ${passwordHash})
          ON CONFLICT (email) DO NOTHING
          RETURNING *
        ), registered AS (
          SELECT id AS user_id, NULL::uuid AS session_id FROM u
        ), event AS (
          ${insertEventsFrom(Prisma.sql`registered`, 'register', client)}
        )
        SELECT ${ACCOUNT} FROM u LEFT JOIN second_factors f ON f.user_id = u.id`;
      return rows[0] ?? null;
    },

    async isTaken(email: string): Promise<boolean> {
      return (await statements.user.count({ where: { email } })) > 0;
    },

    findByEmail: (email: string): Promise<Account | null> => findWhere(Prisma.sql`u.email = ${email}`),

    findById: (id: string): Promise<Account | null> => findWhere(Prisma.sql`u.id = ${id}::uuid`),

    /** Replaces a hash by another of the same password, unless it was changed meanwhile. */
    async replaceHash(id: string, from: string, to: string): Promise<void> {
      await statements.user.updateMany({ where: { id, passwordHash: from }, data: { passwordHash: to } });
    },

    /**
     * Keeps an account as it is until the transaction ends: whoever would open a session, or change or delete it too,
     * waits; a refresh does not. Taken before anything else of the person, so that two never wait for each other.
     *
     * @param passwordVersion of the password that was proved, where one was
     * @returns its address; null when the password was changed meanwhile, or the account is gone
     */
    async lock(id: string, passwordVersion: number | null = null): Promise<string | null> {
      const rows = await statements.$queryRaw<{ email: string }[]>`
        SELECT email FROM users
        WHERE id = ${id}::uuid AND (${passwordVersion}::int IS NULL OR password_version = ${passwordVersion})
        FOR NO KEY UPDATE`;
      return rows[0]?.email ?? null;
    },

    /** Sets another password: whoever proved the one before opens no session from now on. */
    async replacePassword(id: string, passwordHash: string): Promise<void> {
      await statements.$executeRaw`
        UPDATE users SET password_hash = ${passwordHash}, password_version = password_version + 1 WHERE id = ${id}::uuid`;
    },

    /** Notes that the person has shown that their address is theirs. @returns whether that was not known before */
    async verifyEmail(id: string): Promise<boolean> {
      const verified = await statements.$executeRaw`
        UPDATE users SET email_verified_at = now() WHERE id = ${id}::uuid AND email_verified_at IS NULL`;
      return verified === 1;
    },

    /**
     * Gives a person another address, which they have shown to be theirs.
     *
     * @returns the old one; null when the new one is taken, and then the transaction that this is part of may be lost
     */
    async changeEmail(id: string, newEmail: string): Promise<string | null> {
      try {
        const rows = await statements.$queryRaw<{ oldEmail: string }[]>`
          WITH before AS (SELECT id, email FROM users WHERE id = ${id}::uuid FOR UPDATE)
          UPDATE users u SET email = ${newEmail}, email_verified_at = now() FROM before
          WHERE u.id = before.id AND NOT EXISTS (SELECT FROM users WHERE email = ${newEmail})
          RETURNING before.email AS "oldEmail"`;
        return rows[0]?.oldEmail ?? null;
      } catch (error) {
        // Somebody else took it in this very moment: the unique index decides.
        if (isUniqueViolation(error)) return null;
        throw error;
      }
    },

    /** Closes an account: no session is opened for it from now on. @returns false when it was closed, or is gone */
    async disable(id: string, details: EventDetails): Promise<boolean> {
      const rows = await statements.$queryRaw<unknown[]>`
        WITH u AS (
          UPDATE users SET disabled_at = now() WHERE id = ${id}::uuid AND disabled_at IS NULL RETURNING id
        ), disabled AS (
          SELECT id AS user_id, NULL::uuid AS session_id FROM u
        ), event AS (
          ${insertEventsFrom(Prisma.sql`disabled`, 'account_disabled', null, details)}
        )
        SELECT id FROM u`;
      return rows.length === 1;
    },

    /** Opens a closed account again. @returns false when it was not closed, or is gone */
    async enable(id: string): Promise<boolean> {
      const rows = await statements.$queryRaw<unknown[]>`
        WITH u AS (
          UPDATE users SET disabled_at = NULL WHERE id = ${id}::uuid AND disabled_at IS NOT NULL RETURNING id
        ), enabled AS (
          SELECT id AS user_id, NULL::uuid AS session_id FROM u
        ), event AS (
          ${insertEventsFrom(Prisma.sql`enabled`, 'account_enabled', null)}
        )
        SELECT id FROM u`;
      return rows.length === 1;
    },

    /** Deletes a person, and with them whatever the tables tie to them. */
    async remove(id: string): Promise<void> {
      await statements.user.deleteMany({ where: { id } });
    },
  };

  async function findWhere(condition: Prisma.Sql): Promise<Account | null> {
    const rows = await statements.$queryRaw<Account[]>`
      SELECT ${ACCOUNT} FROM users u LEFT JOIN second_factors f ON f.user_id = u.id WHERE ${condition}`;
    return rows[0] ?? null;
  }
}

const ACCOUNT = Prisma.sql`
  u.id, u.email, u.email_verified_at IS NOT NULL AS "emailVerified", u.created_at AS "createdAt",
  u.password_hash AS "passwordHash", u.password_version AS "passwordVersion",
  f.confirmed_at IS NOT NULL AS "hasSecondFactor", u.disabled_at IS NOT NULL AS "isDisabled"`;
