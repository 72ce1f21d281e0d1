import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { connectionOptions } from '../../src/database/connection-options.js';
import { TIME_LIMIT_MS } from '../../src/plugins/time-limit.js';

const source = (file: string) => readFileSync(`src/${file}`, 'utf8');
const rows = readFileSync('docs/timeouts.md', 'utf8').split('\n');

/** The second cell of the row that begins with these words. */
function waitOf(what: string): string {
  const row = rows.find((line) => line.startsWith(`| ${what}`)) ?? expect.unreachable(`a row for ${what}`);
  return row.split('|')[2]?.trim() ?? '';
}

function constantOf(file: string, name: string): number {
  const [, value] = new RegExp(`${name}(?: =|:) ([\\d_]+)`).exec(source(file)) ?? [];
  return Number(value?.replaceAll('_', '')) / 1000;
}

const options = connectionOptions('postgresql://localhost/x');

test.each([
  ['a free database connection', options.connectionTimeoutMillis / 1000],
  ['a lock in Postgres', options.lock_timeout / 1000],
  ['a statement, as Postgres counts', options.statement_timeout / 1000],
  ['a statement, as the service counts', options.query_timeout / 1000],
  ['the next statement of a transaction', options.idle_in_transaction_session_timeout / 1000],
  ['all that a handler does', TIME_LIMIT_MS / 1000],
  ['a turn to be hashed', constantOf('modules/passwords/hash-workers.ts', 'MAX_WAIT_MS')],
  ['the look-up among breached passwords', constantOf('modules/passwords/breach-check.ts', 'TIME_LIMIT_MS')],
  ['the headers of a request', constantOf('app.ts', 'headersTimeout')],
  ['a whole request', constantOf('app.ts', 'requestTimeout')],
  ['a byte on a connection in use', constantOf('app.ts', 'connectionTimeout')],
  ['the next request on a connection', constantOf('app.ts', 'keepAliveTimeout')],
  ['an echo of what Postgres notifies', constantOf('database/listener.ts', 'ECHO_WITHIN_MS')],
  ['what is in flight, at the end', constantOf('server.ts', 'SHUTDOWN_MS')],
])('docs/timeouts.md says for how long the service waits for %s', (what, seconds) => {
  expect(seconds).toBeGreaterThan(0);
  expect(waitOf(what)).toMatch(new RegExp(`^${String(seconds).replace('.', '\\.')} s`));
});

test('who knows the reason gives up first, and the handler last', () => {
  expect(options.lock_timeout).toBeLessThan(options.statement_timeout);
  expect(options.statement_timeout).toBeLessThan(options.query_timeout);
  expect(options.query_timeout).toBeLessThan(TIME_LIMIT_MS);
  expect(options.connectionTimeoutMillis).toBeLessThan(TIME_LIMIT_MS);
});
