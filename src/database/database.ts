import { PrismaPg } from '@prisma/adapter-pg';
import type { FastifyBaseLogger } from 'fastify';
import type { Pool } from 'pg';
import { type Prisma, PrismaClient } from '../generated/prisma/client.js';
import { createPool } from './pool.js';
import { withRetries } from './retries.js';

export type Database = PrismaClient;

/** What a repository asks: the database itself, or a transaction on it. */
export type Statements = Prisma.TransactionClient;

type DatabaseOptions = {
  url: string;
  poolSize: number;
  /** false sends every statement unnamed: PgBouncer before 1.21 gives each transaction another connection that knows no names. */
  preparedStatements?: boolean;
  log: Pick<FastifyBaseLogger, 'warn'>;
  /** Told the pool, for what counts its connections. */
  onPool?: (pool: Pick<Pool, 'totalCount' | 'idleCount' | 'waitingCount'>) => void;
};

/** Opens Prisma over one pool of connections. Nothing connects before the first query. */
export function openDatabase({ url, poolSize, preparedStatements = true, log, onPool }: DatabaseOptions): Database {
  const warn = (error: Error) => log.warn({ error: error.message }, 'a database connection was lost');
  const pool = createPool(url, poolSize);
  onPool?.(pool);
  const adapter = new PrismaPg(pool, {
    disposeExternalPool: true,
    onPoolError: warn,
    onConnectionError: warn,
    statementNameGenerator: preparedStatements ? createStatementNames() : () => '',
  });
  return new PrismaClient({ adapter: withRetries(adapter), errorFormat: 'minimal' });
}

/** More different statements than the service has; what comes past it is sent unnamed. */
const NAMED_STATEMENTS = 200;

/** Names each SQL text, so that each connection prepares it once. Rotation is half as fast without. */
function createStatementNames(): (query: { sql: string }) => string {
  const names = new Map<string, string>();
  return ({ sql }) => {
    const known = names.get(sql);
    if (known !== undefined) return known;
    if (names.size >= NAMED_STATEMENTS) return '';
    const name = `g${names.size}`;
    names.set(sql, name);
    return name;
  };
}
