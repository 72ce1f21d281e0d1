import { PrismaPg } from '@prisma/adapter-pg';
import type { FastifyBaseLogger } from 'fastify';
import { type Prisma, PrismaClient } from '../generated/prisma/client.js';
import { connectionOptions } from './connection-options.js';

export type Database = PrismaClient;

/** What a repository asks: the database itself, or a transaction on it. */
export type Statements = Prisma.TransactionClient;

type DatabaseOptions = {
  url: string;
  poolSize: number;
  log: Pick<FastifyBaseLogger, 'warn'>;
};

/** Opens Prisma over one pool of connections. Nothing connects before the first query. */
export function openDatabase({ url, poolSize, log }: DatabaseOptions): Database {
  const warn = (error: Error) => log.warn({ error: error.message }, 'a database connection was lost');
  const adapter = new PrismaPg(
    { ...connectionOptions(url), max: poolSize },
    { onPoolError: warn, onConnectionError: warn, statementNameGenerator: createStatementNames() },
  );
  return new PrismaClient({ adapter, errorFormat: 'minimal' });
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
