import { createHmac } from 'node:crypto';
import type { Statements } from '../../database/database.js';
import { Prisma } from '../../generated/prisma/client.js';
import type { KeyRing } from '../../shared/key-ring.js';
import { type Budget, growingDelays, SECRET_BUDGET, type Subject } from './attempt-policy.js';

/** An attempt that was counted for a subject. The stamp tells it from every other one of that subject. */
export type Counted = { subject: Buffer; stamp: string };

/** How long to wait, in whole seconds and at least one; null when waiting does not help. */
export type Refused = { retryAfterSeconds: number | null };

export type AttemptRepository = ReturnType<typeof createAttemptRepository>;

/**
 * Every statement on the table of attempts. It holds keyed hashes of what is counted, and so neither addresses nor
 * devices. All times are the database's.
 */
export function createAttemptRepository(statements: Statements, keyRing: KeyRing) {
  return {
    /**
     * Counts an attempt for all its subjects, in their order, or for none when one of them has to wait. A subject is
     * counted by one conditional statement: however many come at once, each finds what the one before it left.
     */
    async count(subjects: readonly Subject[]): Promise<Counted[] | Refused> {
      const ids = subjects.map(({ name }) => hash(name));
      const steps = subjects.map(({ budget }, index) => {
        // What waits already is only looked at: a flood writes nothing. What begins to wait in this very moment is
        // found by the condition of the update.
        const source =
          index === 0
            ? Prisma.sql`WHERE NOT EXISTS (SELECT FROM attempts WHERE ${among(ids)} AND ${WAITS})`
            : Prisma.sql`FROM ${cte(index - 1)}`;
        return Prisma.sql`${cte(index)} AS (${countOne(ids[index], budget, source)})`;
      });
      const stamps = subjects.map((_, index) => Prisma.sql`SELECT subject, stamp FROM ${cte(index)}`);
      const rows = await statements.$queryRaw<{ subject: Uint8Array; stamp: string }[]>`
        WITH ${Prisma.join(steps)} ${Prisma.join(stamps, ' UNION ALL ')}`;
      const stampOf = new Map(rows.map(({ subject, stamp }) => [Buffer.from(subject).toString('hex'), stamp]));
      const counted = ids.flatMap((subject) => {
        const stamp = stampOf.get(subject.toString('hex'));
        return stamp === undefined ? [] : [{ subject, stamp }];
      });
      if (counted.length === subjects.length) return counted;
      for (const one of counted) await giveBack(one);
      return refusal(ids);
    },

    giveBack,

    /** Forgets all about subjects. */
    async forget(subjects: readonly Buffer[]): Promise<void> {
      // Locked in one order, so that two who forget the same do not wait for each other.
      await statements.$executeRaw`
        WITH locked AS MATERIALIZED (SELECT subject FROM attempts WHERE ${among(subjects)} ORDER BY subject FOR UPDATE)
        DELETE FROM attempts WHERE subject IN (SELECT subject FROM locked)`;
    },

    /** Lets what was stopped for good wait as long as anything waits, again and again. */
    async unstop(subjects: readonly Buffer[]): Promise<void> {
      const { freeFailures } = SECRET_BUDGET;
      const delays = growingDelays(SECRET_BUDGET);
      await statements.$executeRaw`
        UPDATE attempts SET failures = ${freeFailures + delays.length}::int,
          blocked_until = clock_timestamp() + make_interval(secs => ${delays.at(-1) ?? 0})
        WHERE ${among(subjects)} AND NOT isfinite(blocked_until)`;
    },

    /** As what a subject of this name is kept. */
    hash,
  };

  /** Undoes the count of one attempt, and its delay; a delay that a later attempt brought about stays. */
  async function giveBack({ subject, stamp }: Counted): Promise<void> {
    await statements.$executeRaw`
      UPDATE attempts SET
        failures = greatest(0, failures - 1),
        blocked_until = CASE WHEN last_attempt_at = ${stamp}::timestamptz THEN last_attempt_at ELSE blocked_until END
      WHERE subject = ${subject}`;
  }

  async function refusal(ids: readonly Buffer[]): Promise<Refused> {
    const [row] = await statements.$queryRaw<{ wait: number | null; stopped: boolean | null }[]>`
      SELECT bool_or(NOT isfinite(blocked_until)) AS stopped,
        ceil(max(extract(epoch FROM blocked_until - clock_timestamp())) FILTER (WHERE isfinite(blocked_until)))::int AS wait
      FROM attempts WHERE ${among(ids)} AND ${WAITS}`;
    return { retryAfterSeconds: row?.stopped ? null : Math.max(1, row?.wait ?? 1) };
  }

  function hash(name: string): Buffer {
    return createHmac('sha256', keyRing.current.attemptSubjectMac).update(name).digest();
  }
}

const WAITS = Prisma.sql`blocked_until > clock_timestamp()`;

function cte(index: number): Prisma.Sql {
  return Prisma.raw(`counted_${index}`);
}

function among(ids: readonly Buffer[]): Prisma.Sql {
  return Prisma.sql`subject IN (${Prisma.join(ids)})`;
}

function countOne(id: Buffer | undefined, budget: Budget, source: Prisma.Sql): Prisma.Sql {
  const forgiven = Prisma.sql`greatest(0, extract(epoch FROM clock_timestamp() - a.last_attempt_at)) * ${budget.forgivenPerSecond}::float8`;
  const failures = Prisma.sql`greatest(0, a.failures - ${forgiven}) + 1`;
  return Prisma.sql`
    INSERT INTO attempts AS a (subject, failures, last_attempt_at, blocked_until)
    SELECT ${id}::bytea, 1, clock_timestamp(), ${blockedUntil(Prisma.sql`1`, budget)} ${source}
    ON CONFLICT (subject) DO UPDATE SET
      failures = ${failures},
      last_attempt_at = greatest(clock_timestamp(), a.last_attempt_at + interval '1 microsecond'),
      blocked_until = ${blockedUntil(failures, budget)}
    WHERE a.blocked_until <= clock_timestamp()
    RETURNING subject, last_attempt_at::text AS stamp`;
}

function blockedUntil(failures: Prisma.Sql, budget: Budget): Prisma.Sql {
  const delays = growingDelays(budget);
  const step = Prisma.sql`least(round(${failures})::int - ${budget.freeFailures}::int + 1, ${delays.length}::int)`;
  const delayed = Prisma.sql`clock_timestamp() + make_interval(secs => coalesce((${delays}::float8[])[${step}], 0))`;
  if (budget.maxFailures === null) return delayed;
  return Prisma.sql`CASE WHEN ${failures} >= ${budget.maxFailures}::int THEN 'infinity'::timestamptz ELSE ${delayed} END`;
}
