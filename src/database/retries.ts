import type { SqlDriverAdapter, SqlDriverAdapterFactory, SqlQuery } from '@prisma/driver-adapter-utils';
import { isConnectionLost, isUndone } from './faults.js';

/**
 * Does a piece of work once more when Postgres has undone it for the sake of another one (a deadlock, a serialization
 * failure): nothing of it is left, so that repeating it is safe. Once, and then the error stands.
 *
 * @param work a single statement, or a whole transaction that does nothing outside the database
 */
export async function onceMoreIfUndone<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!isUndone(error)) throw error;
    return work();
  }
}

/**
 * Repeats once, beneath Prisma, what is safe to repeat: a statement of its own that Postgres has undone; a read or the
 * begin of a transaction whose connection was lost. A write whose connection was lost may have been committed: that is
 * for whoever sent it to find out.
 */
export function withRetries<Factory extends SqlDriverAdapterFactory>(factory: Factory): Factory {
  const connect = factory.connect.bind(factory);
  factory.connect = async () => mended(await connect());
  return factory;
}

function mended(adapter: SqlDriverAdapter): SqlDriverAdapter {
  const queryRaw = adapter.queryRaw.bind(adapter);
  const executeRaw = adapter.executeRaw.bind(adapter);
  const startTransaction = adapter.startTransaction.bind(adapter);
  adapter.queryRaw = (query) => onceMore(() => queryRaw(query), isRead(query));
  adapter.executeRaw = (query) => onceMore(() => executeRaw(query), isRead(query));
  adapter.startTransaction = (isolation) => onceMore(() => startTransaction(isolation), true);
  return adapter;
}

async function onceMore<Result>(send: () => Promise<Result>, changesNothing: boolean): Promise<Result> {
  try {
    return await send();
  } catch (error) {
    if (isUndone(error) || (changesNothing && isConnectionLost(error))) return send();
    throw error;
  }
}

/** Whether a statement is sure to change nothing. One that begins with WITH may do anything. */
function isRead({ sql }: SqlQuery): boolean {
  return /^\s*SELECT\b/i.test(sql);
}
