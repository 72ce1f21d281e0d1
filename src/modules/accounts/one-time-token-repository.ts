import type { Statements } from '../../database/database.js';
import { Prisma } from '../../generated/prisma/client.js';
import {
  PAUSES_FORGOTTEN_AFTER_SECONDS,
  pauseSecondsAfter,
  TOKEN_LIFETIME_SECONDS,
  type TokenPurpose,
} from './one-time-token.js';

export type IssueToken = {
  userId: string;
  purpose: TokenPurpose;
  hash: Buffer;
  /** The address that it goes to. */
  email: string;
  /** Whether a mail that was counted before is only tried again. */
  isRetry: boolean;
};

/** Whose token it is, and to which address it went. */
export type TokenOwner = { userId: string; email: string };

export type OneTimeTokenRepository = ReturnType<typeof createOneTimeTokenRepository>;

/** Every statement on the table of one-time tokens. There is one of each purpose a person: the newest. */
export function createOneTimeTokenRepository(statements: Statements) {
  return {
    /**
     * Keeps a new token, which makes the older one of that purpose void.
     *
     * @returns false, and nothing is changed, when the last one was issued too short a while ago
     */
    async issue({ userId, purpose, hash, email, isRetry }: IssueToken): Promise<boolean> {
      const lifetime = Prisma.sql`now() + make_interval(secs => ${TOKEN_LIFETIME_SECONDS[purpose]})`;
      const forgotten = Prisma.sql`t.created_at < now() - make_interval(secs => ${PAUSES_FORGOTTEN_AFTER_SECONDS})`;
      const issued = await statements.$executeRaw`
        INSERT INTO one_time_tokens AS t (token_hash, user_id, purpose, email, expires_at)
        VALUES (${hash}, ${userId}::uuid, ${purpose}, ${email}, ${lifetime})
        ON CONFLICT (user_id, purpose) DO UPDATE
        SET token_hash = excluded.token_hash, email = excluded.email, expires_at = excluded.expires_at,
          created_at = CASE WHEN ${isRetry} THEN t.created_at ELSE now() END,
          issued = CASE WHEN ${isRetry} THEN t.issued WHEN ${forgotten} THEN 1 ELSE least(t.issued + 1, 1000) END
        WHERE ${isRetry} OR ${forgotten} OR t.created_at <= now() - make_interval(secs => ${pauseOf(purpose)})`;
      return issued === 1;
    },

    /** Whose token this is, if it is still good. It stays so. */
    async peek(hash: Buffer, purpose: TokenPurpose): Promise<TokenOwner | null> {
      const rows = await statements.$queryRaw<TokenOwner[]>`
        SELECT t.user_id AS "userId", t.email FROM one_time_tokens t WHERE ${isGood(hash, purpose)}`;
      return rows[0] ?? null;
    },

    /** Uses a token up: of any number who try at once, one gets its owner. @returns null when it is not good (any more) */
    async consume(hash: Buffer, purpose: TokenPurpose): Promise<TokenOwner | null> {
      const rows = await statements.$queryRaw<TokenOwner[]>`
        UPDATE one_time_tokens t SET expires_at = '-infinity' WHERE ${isGood(hash, purpose)}
        RETURNING t.user_id AS "userId", t.email`;
      return rows[0] ?? null;
    },

    /** Makes the person's token of a purpose void. That it was issued still counts, as with one that was used. */
    async voidOne(userId: string, purpose: TokenPurpose): Promise<void> {
      await statements.$executeRaw`
        UPDATE one_time_tokens SET expires_at = '-infinity' WHERE user_id = ${userId}::uuid AND purpose = ${purpose}`;
    },

    /** Makes every token of a person void. */
    async voidAll(userId: string): Promise<void> {
      await statements.$executeRaw`
        UPDATE one_time_tokens SET expires_at = '-infinity' WHERE user_id = ${userId}::uuid`;
    },
  };
}

/** A link proves the mailbox that it went to: once the account has another address, it proves nothing of the account. */
function isGood(hash: Buffer, purpose: TokenPurpose): Prisma.Sql {
  const isBound =
    purpose === 'change_email'
      ? Prisma.empty
      : Prisma.sql`AND EXISTS (SELECT FROM users u WHERE u.id = t.user_id AND u.email = t.email)`;
  return Prisma.sql`t.token_hash = ${hash} AND t.purpose = ${purpose} AND t.expires_at > now() ${isBound}`;
}

/** `pauseSecondsAfter` as SQL, of the number in the row; longer than so many steps it does not get. */
function pauseOf(purpose: TokenPurpose): Prisma.Sql {
  const STEPS = 12;
  const steps = Array.from({ length: STEPS }, (_, index) => pauseSecondsAfter(purpose, index + 1));
  return Prisma.sql`(${steps}::float8[])[least(t.issued, ${STEPS}::int)]`;
}
