import { Prisma } from '../generated/prisma/client.js';
import { POOL_IS_CROWDED } from './pool.js';

/**
 * What Prisma and `pg` say when the database cannot be asked right now: unreachable, full, shutting down, too slow.
 * The codes are Prisma's (P…), Postgres's classes 08, 53, 57 and 55P03, 25P03, 25006 (a primary no more), and Node's.
 */
const UNAVAILABLE = new RegExp(
  `^(P1001|P1002|P1008|P1017|P2024|P2028|P2037|08...|53...|57...|55P03|25P03|25006|ECONNREFUSED|ECONNRESET|ECONNABORTED|EHOSTUNREACH|ENETUNREACH|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|${POOL_IS_CROWDED})$`,
);
const UNAVAILABLE_TEXT =
  /timeout exceeded when trying to connect|timeout expired|Query read timeout|Connection terminated|Can't reach database|not queryable|connection is closed|Cannot use a pool after calling end/i;

/** Postgres undid it for the sake of another one: a serialization failure or a deadlock, as it and as Prisma says it. */
const UNDONE = /^(40001|40P01|P2034)$/;

/** The connection broke while it was in use, after it had been opened. */
const CONNECTION_LOST = /^(P1017|08003|08006|08P01|57P01|57P02|ECONNRESET|EPIPE)$/;
const CONNECTION_LOST_TEXT = /Connection terminated(?! due to connection timeout)|not queryable|connection is closed/i;

/** Whether the database could not be asked, as opposed to having said no. The request may be tried again later. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (isUndone(error)) return true;
  for (const { code, originalCode, message, kind } of causesOf(error)) {
    if (UNAVAILABLE.test(String(code)) || UNAVAILABLE.test(String(originalCode))) return true;
    if (kind === 'DatabaseNotReachable' || kind === 'ConnectionClosed' || kind === 'SocketTimeout') return true;
    if (UNAVAILABLE_TEXT.test(String(message))) return true;
  }
  return error instanceof Prisma.PrismaClientInitializationError;
}

/** Whether Postgres has undone a statement or transaction, so that nothing of it is left and it may be sent again. */
export function isUndone(error: unknown): boolean {
  return causesOf(error).some(
    ({ code, originalCode, kind }) =>
      UNDONE.test(String(code)) || UNDONE.test(String(originalCode)) || kind === 'TransactionWriteConflict',
  );
}

/** Whether the connection broke under a statement, so that nobody knows whether that was carried out. */
export function isConnectionLost(error: unknown): boolean {
  return causesOf(error).some(
    ({ code, originalCode, kind, message }) =>
      CONNECTION_LOST.test(String(code)) ||
      CONNECTION_LOST.test(String(originalCode)) ||
      kind === 'ConnectionClosed' ||
      CONNECTION_LOST_TEXT.test(String(message)),
  );
}

/** Whether a unique index did not let a row in. */
export function isUniqueViolation(error: unknown): boolean {
  return causesOf(error).some(
    ({ code, originalCode, kind }) =>
      code === 'P2002' || code === '23505' || originalCode === '23505' || kind === 'UniqueConstraintViolation',
  );
}

/** The error itself and what stands behind it, as Prisma and its adapter wrap one in another. */
function causesOf(error: unknown): Record<string, unknown>[] {
  const causes: Record<string, unknown>[] = [];
  for (let cause = error; cause instanceof Object && causes.length < 5; ) {
    causes.push(cause as Record<string, unknown>);
    const { meta } = cause as { meta?: { driverAdapterError?: unknown } };
    cause = (cause as Error).cause ?? meta?.driverAdapterError;
  }
  return causes;
}
