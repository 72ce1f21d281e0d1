import { v7 as uuidv7 } from 'uuid';
import type { Statements } from '../../database/database.js';
import { Prisma } from '../../generated/prisma/client.js';
import { insertEventsFrom } from '../audit/event-repository.js';
import type { ImportedAccount } from './account-import.js';

/** Statements on the table of users for many accounts at once. */
export function createAccountImportRepository(statements: Statements) {
  return {
    /**
     * Adds those whose address is not there yet, and leaves all others as they are.
     *
     * @returns how many were added
     */
    async insert(accounts: ImportedAccount[]): Promise<number> {
      // In one order, so that two imports of the same people never wait for each other in a circle.
      const rows = accounts
        .toSorted((one, other) => (one.email < other.email ? -1 : 1))
        .map((account) => ({ ...account, id: uuidv7() }));
      const inserted = await statements.$queryRaw<{ count: number }[]>`
        WITH u AS (
          INSERT INTO users (id, email, password_hash, email_verified_at, created_at)
          SELECT id, email, "passwordHash", CASE WHEN "emailVerified" THEN now() END, coalesce("createdAt", now())
          FROM ${recordsOf(rows)}
          ON CONFLICT (email) DO NOTHING
          RETURNING id
        ), registered AS (
          SELECT id AS user_id, NULL::uuid AS session_id FROM u
        ), event AS (
          ${insertEventsFrom(Prisma.sql`registered`, 'register', null, { imported: true })}
        )
        SELECT count(*)::int AS count FROM u`;
      return inserted[0]?.count ?? 0;
    },

    /** How many of these addresses there would be to add. */
    async countMissing(accounts: ImportedAccount[]): Promise<number> {
      const missing = await statements.$queryRaw<{ count: number }[]>`
        SELECT count(DISTINCT email)::int AS count FROM ${recordsOf(accounts)}
        WHERE NOT EXISTS (SELECT FROM users WHERE users.email = given.email)`;
      return missing[0]?.count ?? 0;
    },
  };
}

function recordsOf(rows: object[]): Prisma.Sql {
  return Prisma.sql`jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
    AS given (id uuid, email text, "passwordHash" text, "emailVerified" boolean, "createdAt" timestamptz)`;
}
