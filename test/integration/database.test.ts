import { expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../src/database/database.js';
import { isConnectionLost, isDatabaseUnavailable, isUndone } from '../../src/database/faults.js';
import { createListener } from '../../src/database/listener.js';
import { createPool } from '../../src/database/pool.js';
import { freshDatabaseUrl, testDatabaseUrl } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

const quiet = { warn: () => {}, info: () => {} };

async function open(url: string, poolSize = 1) {
  const database = openDatabase({ url, poolSize, log: quiet });
  onTestFinished(() => database.$disconnect());
  return database;
}

const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable('it worked'),
    (error) => error,
  );

test('a connection whose ROLLBACK got no answer is not used again: what follows is committed', async () => {
  const url = await freshDatabaseUrl({ migrated: false });
  await withClient(url, (client) => client.query('CREATE TABLE notes (text text)'));
  const proxy = await startTcpProxy(new URL(url));
  const database = await open(proxy.url);
  await errorOf(
    database.$transaction(
      async (transaction) => {
        // Sent and never answered in time; the ROLLBACK behind it is given up before it is sent.
        proxy.hang();
        await transaction.$executeRaw`INSERT INTO notes VALUES ('of a transaction that is undone')`;
      },
      { timeout: 10_000 },
    ),
  );
  proxy.mend();
  await expect
    .poll(() => database.$executeRaw`INSERT INTO notes VALUES ('told that it worked')`.catch(() => 0), {
      timeout: 10_000,
    })
    .toBe(1);
  const { rows } = await withClient(url, (client) => client.query('SELECT text FROM notes'));
  expect(rows).toEqual([{ text: 'told that it worked' }]);
});

test('a statement that finds a hundred waiting for each connection is refused at once', async () => {
  const pool = createPool(await testDatabaseUrl(), 1);
  onTestFinished(() => pool.end());
  const held = await pool.connect();
  const waiting = Array.from({ length: 100 }, () => pool.query('SELECT 1'));
  const error = await errorOf(pool.query('SELECT 1'));
  expect(isDatabaseUnavailable(error)).toBe(true);
  expect(error.message).toContain('Too many statements wait');
  await errorOf(pool.connect());
  held.release();
  await Promise.all(waiting);
});

test('a connection that breaks and a server that is gone are told apart', async () => {
  const proxy = await startTcpProxy(new URL(await testDatabaseUrl()));
  const database = await open(proxy.url);
  const broken = await errorOf(
    database.$executeRaw`WITH mine AS (SELECT pg_terminate_backend(pg_backend_pid())) TABLE mine`,
  );
  expect(isConnectionLost(broken)).toBe(true);
  proxy.cut();
  const refused = await errorOf(database.$queryRaw`SELECT 1`);
  expect(isDatabaseUnavailable(refused)).toBe(true);
  expect(isUndone(refused)).toBe(false);
});

test('a read whose connection breaks is sent once more, a write is not', async () => {
  const proxy = await startTcpProxy(new URL(await testDatabaseUrl()));
  const database = await open(proxy.url);
  const read = proxy.loseAnswerTo("SELECT 'a read'");
  expect(await database.$queryRaw`SELECT 'a read' AS what`).toEqual([{ what: 'a read' }]);
  expect(read.isLost()).toBe(true);
  const write = proxy.loseAnswerTo('WITH write AS');
  const error = await errorOf(database.$queryRaw`WITH write AS (SELECT 1 AS one) SELECT one FROM write`);
  expect(write.isLost()).toBe(true);
  expect(isConnectionLost(error)).toBe(true);
});

test('a listener that hears no echo does not count as listening', async () => {
  const [here, elsewhere] = await Promise.all([testDatabaseUrl(), freshDatabaseUrl({ migrated: false })]);
  const warnings: string[] = [];
  const listener = createListener({
    url: elsewhere,
    channels: {},
    onListening: () => {},
    notify: (channel, payload) =>
      withClient(here, (client) => client.query('SELECT pg_notify($1, $2)', [channel, payload])),
    log: { ...quiet, warn: ({ error }: { error: string }) => warnings.push(error) } as never,
  });
  onTestFinished(() => listener.stop());
  await listener.start();
  expect(listener.isListening()).toBe(false);
  expect(warnings.join()).toContain('DATABASE_DIRECT_URL must lead past any pooler');
});
