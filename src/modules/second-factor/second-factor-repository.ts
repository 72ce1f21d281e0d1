import type { Statements } from '../../database/database.js';
import { Prisma } from '../../generated/prisma/client.js';
import type { ClientInfo } from '../../shared/client-info.js';
import type { KeyRing } from '../../shared/key-ring.js';
import { seal, unseal } from '../../shared/seal.js';
import { insertEventsFrom } from '../audit/event-repository.js';
import { deleteSecondFactor } from './second-factor-removal-repository.js';

export type SecondFactorRow = {
  secret: Buffer;
  isConfirmed: boolean;
  /** Names this very enrolment: a code that was right for it must not be taken for one that replaced it meanwhile. */
  enrolment: string;
};

export type SecondFactorStatus = { confirmedAt: Date; recoveryCodesLeft: number };

/** What became of one batch of sealed secrets. */
export type TakenOver = {
  count: number;
  /** Those that did not open under the secret that they name. */
  unreadable: string[];
  /** The last user's id of the batch; null when there was nothing left to do. */
  last: string | null;
};

export type SecondFactorRepository = ReturnType<typeof createSecondFactorRepository>;

/** Every statement on second factors and recovery codes. Secrets are sealed under the current app secret, for their user. */
export function createSecondFactorRepository(statements: Statements, keyRing: KeyRing) {
  return {
    /** Begins an enrolment; an older one that was not confirmed is void then. @returns false when one is confirmed, or the user is gone */
    async enrol(userId: string, secret: Buffer): Promise<boolean> {
      // Locked, so that an account that is leaving at this moment is no fault of ours. The time is the clock's: two
      // enrolments never have the same one, even of one transaction.
      const count = await statements.$executeRaw`
        INSERT INTO second_factors (user_id, sealed_secret, secret_id, created_at)
        SELECT id, ${sealFor(userId, secret)}, ${keyRing.current.id}, clock_timestamp()
        FROM users WHERE id = ${userId}::uuid FOR KEY SHARE
        ON CONFLICT (user_id) DO UPDATE
        SET sealed_secret = excluded.sealed_secret, secret_id = excluded.secret_id, created_at = clock_timestamp(),
            last_used_step = 0
        WHERE second_factors.confirmed_at IS NULL`;
      return count === 1;
    },

    /** @throws when the secret cannot be opened */
    async find(userId: string): Promise<SecondFactorRow | null> {
      const [row] = await statements.$queryRaw<FactorRow[]>`
        SELECT user_id AS "userId", sealed_secret AS "sealedSecret", secret_id AS "secretId",
          confirmed_at IS NOT NULL AS "isConfirmed", created_at::text AS enrolment
        FROM second_factors WHERE user_id = ${userId}::uuid`;
      if (row === undefined) return null;
      return { secret: open(row), isConfirmed: row.isConfirmed, enrolment: row.enrolment };
    },

    /** @returns null when there is none that is confirmed */
    async status(userId: string): Promise<SecondFactorStatus | null> {
      const [row] = await statements.$queryRaw<SecondFactorStatus[]>`
        SELECT confirmed_at AS "confirmedAt",
          (SELECT count(*)::int FROM recovery_codes r WHERE r.user_id = f.user_id) AS "recoveryCodesLeft"
        FROM second_factors f WHERE user_id = ${userId}::uuid AND confirmed_at IS NOT NULL`;
      return row ?? null;
    },

    /** Confirms an enrolment, once; its first code is used with that. @returns false when it was confirmed or replaced meanwhile */
    async confirm(userId: string, enrolment: string, step: number): Promise<boolean> {
      const count = await statements.$executeRaw`
        UPDATE second_factors SET confirmed_at = now(), last_used_step = ${step}
        WHERE user_id = ${userId}::uuid AND created_at = ${enrolment}::timestamptz AND confirmed_at IS NULL`;
      return count === 1;
    },

    /** Takes the code of a time step, once, whoever else tries. @returns false when it or a later one was taken before */
    async takeStep(userId: string, enrolment: string, step: number): Promise<boolean> {
      const count = await statements.$executeRaw`
        UPDATE second_factors SET last_used_step = ${step}
        WHERE user_id = ${userId}::uuid AND created_at = ${enrolment}::timestamptz
          AND confirmed_at IS NOT NULL AND last_used_step < ${step}`;
      return count === 1;
    },

    /** Takes a recovery code, once, and records that. @returns false when there is no such code (any more) */
    async takeRecoveryCode(
      userId: string,
      codeHash: Buffer,
      { client, sessionId }: { client: ClientInfo; sessionId: string | null },
    ): Promise<boolean> {
      // The count is of before the statement, as every part of it sees the table.
      const left = Prisma.sql`jsonb_build_object('left',
        (SELECT count(*) - 1 FROM recovery_codes r WHERE r.user_id = ${userId}::uuid))`;
      const taken = await statements.$queryRaw<unknown[]>`
        WITH taken AS (
          DELETE FROM recovery_codes r USING second_factors f
          WHERE r.user_id = ${userId}::uuid AND r.code_hash = ${codeHash}
            AND f.user_id = r.user_id AND f.confirmed_at IS NOT NULL
          RETURNING r.user_id, ${sessionId}::uuid AS session_id
        ), event AS (
          ${insertEventsFrom(Prisma.sql`taken`, 'mfa_recovery_code_used', client, left)}
        )
        SELECT user_id FROM taken`;
      return taken.length === 1;
    },

    /** Puts new recovery codes in the place of the old. @param codeHashes of the codes, under the factor's secret */
    async replaceRecoveryCodes(userId: string, codeHashes: readonly Buffer[]): Promise<void> {
      await statements.$executeRaw`DELETE FROM recovery_codes WHERE user_id = ${userId}::uuid`;
      await statements.$executeRaw`
        INSERT INTO recovery_codes (user_id, code_hash)
        SELECT ${userId}::uuid, decode(unnest(${codeHashes.map(toHex)}::text[]), 'hex')`;
    },

    /** Holds a confirmed factor until the transaction ends, so that two who replace its codes do so one after the other. */
    async lock(userId: string, enrolment: string): Promise<boolean> {
      const rows = await statements.$queryRaw<unknown[]>`
        SELECT user_id FROM second_factors
        WHERE user_id = ${userId}::uuid AND created_at = ${enrolment}::timestamptz AND confirmed_at IS NOT NULL
        FOR NO KEY UPDATE`;
      return rows.length === 1;
    },

    /** Removes a confirmed factor and its recovery codes. @returns false when there was none */
    remove: (userId: string): Promise<boolean> => deleteSecondFactor(statements, userId),

    /** How many people have a factor that no listed secret opens. */
    async countOrphans(): Promise<number> {
      const [row] = await statements.$queryRaw<{ count: number }[]>`
        SELECT count(*)::int AS count FROM second_factors
        WHERE confirmed_at IS NOT NULL AND secret_id <> ALL(${[...keyRing.ids]}::smallint[])`;
      return row?.count ?? 0;
    },

    /**
     * Seals under the current secret what is still under another one that is listed: one batch, past the user's id that
     * is given. To be called in a transaction: rows that another instance has in hand are passed over, and these are
     * held until they are written.
     */
    async takeOver(after: string, limit: number): Promise<TakenOver> {
      const rows = await statements.$queryRaw<FactorRow[]>`
        SELECT user_id AS "userId", sealed_secret AS "sealedSecret", secret_id AS "secretId"
        FROM second_factors
        WHERE user_id > ${after}::uuid AND secret_id <> ${keyRing.current.id}
          AND secret_id = ANY(${[...keyRing.ids]}::smallint[])
        ORDER BY user_id LIMIT ${limit} FOR NO KEY UPDATE SKIP LOCKED`;
      const sealed: { userId: string; hex: string }[] = [];
      const unreadable: string[] = [];
      for (const row of rows) {
        const secret = openOrNull(row);
        if (secret === null) unreadable.push(row.userId);
        else sealed.push({ userId: row.userId, hex: toHex(sealFor(row.userId, secret)) });
      }
      const count = await statements.$executeRaw`
        UPDATE second_factors f SET sealed_secret = decode(anew.sealed, 'hex'), secret_id = ${keyRing.current.id}
        FROM unnest(${sealed.map(({ userId }) => userId)}::uuid[], ${sealed.map(({ hex }) => hex)}::text[])
          AS anew (user_id, sealed)
        WHERE f.user_id = anew.user_id`;
      return { count, unreadable, last: rows.at(-1)?.userId ?? null };
    },
  };

  function sealFor(userId: string, secret: Buffer): Buffer {
    return seal(secret, keyRing.current.secondFactorEncryption, userId);
  }

  function open({ userId, sealedSecret, secretId }: Sealed): Buffer {
    const keys = keyRing.byId(secretId);
    if (keys === undefined) {
      throw new Error(
        'A second factor was sealed under an application secret that APP_SECRETS no longer lists. Put that secret back (behind the first).',
      );
    }
    return unseal(sealedSecret, keys.secondFactorEncryption, userId);
  }

  function openOrNull(row: Sealed): Buffer | null {
    try {
      return open(row);
    } catch {
      return null;
    }
  }
}

type Sealed = { userId: string; sealedSecret: Uint8Array; secretId: number };

type FactorRow = Sealed & { isConfirmed: boolean; enrolment: string };

function toHex(bytes: Buffer): string {
  return bytes.toString('hex');
}
