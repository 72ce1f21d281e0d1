import { Prisma } from '../generated/prisma/client.js';

/**
 * What Prisma and `pg` say when the database cannot be asked right now: unreachable, full, shutting down, too slow.
 * The codes are Prisma's (P…), Postgres's classes 08, 53, 57 and 55P03, 25P03, 25006 (a primary no more), and Node's.
 */
const UNAVAILABLE =
  /^(P1001|P1002|P1008|P1017|P2024|P2028|P2037|08...|53...|57...|55P03|25P03|25006|40001|40P01|ECONNREFUSED|ECONNRESET|ECONNABORTED|EHOSTUNREACH|ENETUNREACH|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN)$/;
const UNAVAILABLE_TEXT =
  /timeout exceeded when trying to connect|Query read timeout|Connection terminated|Can't reach database|not queryable|connection is closed|Cannot use a pool after calling end/i;

/** Whether the database could not be asked, as opposed to having said no. The request may be tried again later. */
export function isDatabaseUnavailable(error: unknown): boolean {
  for (const { code, originalCode, message, kind } of causesOf(error)) {
    if (UNAVAILABLE.test(String(code)) || UNAVAILABLE.test(String(originalCode))) return true;
    if (kind === 'DatabaseNotReachable' || kind === 'ConnectionClosed' || kind === 'SocketTimeout') return true;
    if (UNAVAILABLE_TEXT.test(String(message))) return true;
  }
  return error instanceof Prisma.PrismaClientInitializationError;
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
