import pg from 'pg';
import { connectionOptions } from '../database/connection-options.js';
import { type Check, failed, ok, warning } from './check.js';

const MIN_VERSION = 15;
const CONNECT_MS = 3_000;
/** More than this, and who compares times of the service and of other machines is misled. */
const MAX_CLOCK_OFFSET_MS = 2_000;

/** Every table that the service writes to. */
const TABLES = ['users', 'sessions', 'signing_keys', 'events', 'session_endings'];

/** What Postgres or the network says, in words that help; never the URL, which holds the password. */
const REASONS: [RegExp, string, string][] = [
  [/ECONNREFUSED/, 'Nothing listens there.', 'Is Postgres running? Check host and port in DATABASE_URL.'],
  [/ENOTFOUND|EAI_AGAIN/, 'Its host name is not known.', 'Check the host in DATABASE_URL, and name resolution.'],
  [
    /28P01/,
    'The password is wrong, or there is no such user.',
    'Check user and password; percent-encode :/?#[]@% in the password.',
  ],
  [
    /28000/,
    'Postgres lets this user not in from here.',
    'Check pg_hba.conf; if it asks for TLS, add ?sslmode=require to the URL.',
  ],
  [/3D000/, 'There is no such database.', 'Create it, or check the name at the end of the URL.'],
  [
    /53300/,
    'Postgres has no connection left.',
    'Raise max_connections, lower DATABASE_POOL_SIZE, or put PgBouncer in front.',
  ],
  [/57P03/, 'Postgres is starting or recovering.', 'Wait, and ask again.'],
  [
    /SSL|TLS|certificate|CERT/i,
    'No TLS connection could be made.',
    'Check sslmode and the certificates on both sides.',
  ],
  [
    /timeout|ETIMEDOUT|EHOSTUNREACH/i,
    'It does not answer.',
    'Check the network and firewalls between here and Postgres.',
  ],
];

export type Connected = { client: pg.Client; close: () => Promise<void> };

/** @returns a connection, or what keeps it from being made */
export async function connect(name: string, url: string): Promise<Connected | Check> {
  const client = new pg.Client({ ...connectionOptions(url), connectionTimeoutMillis: CONNECT_MS });
  client.on('error', () => {});
  try {
    await client.connect();
    return { client, close: () => client.end().catch(() => {}) };
  } catch (error) {
    client.end().catch(() => {});
    const { code = '', message = '' } = error as { code?: string; message?: string };
    const [, what, remedy] = REASONS.find(([pattern]) => pattern.test(`${code} ${message}`)) ?? [
      undefined,
      `It cannot be reached (${code || 'no reason given'}).`,
      'Check DATABASE_URL.',
    ];
    return failed(name, `The database cannot be used. ${what}`, remedy);
  }
}

/** Version, role, rights, clock and time-outs of a database that answers. */
export async function examineDatabase({ client }: Connected): Promise<Check[]> {
  const sentAt = Date.now();
  const { rows } = await client.query(
    `SELECT current_setting('server_version_num')::int / 10000 AS version, pg_is_in_recovery() AS standby,
       current_setting('default_transaction_read_only') = 'on' AS "readOnly",
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
       pg_encoding_to_char(encoding) AS encoding, clock_timestamp() AS now, current_setting('statement_timeout') AS timeout
     FROM pg_database WHERE datname = current_database()`,
  );
  const { version, standby, readOnly, superuser, encoding, now, timeout } = rows[0];
  const offsetMs = now.getTime() - (sentAt + Date.now()) / 2;
  const checks: Check[] = [];
  checks.push(
    version >= MIN_VERSION
      ? ok('database', `PostgreSQL ${version} answers.`)
      : failed('database', `This is PostgreSQL ${version}.`, `Use version ${MIN_VERSION} or later.`),
  );
  if (standby || readOnly) {
    checks.push(
      failed(
        'database-role',
        'This database only reads: it is a standby, or set to read only.',
        'Point DATABASE_URL at the primary.',
      ),
    );
  }
  if (encoding !== 'UTF8') {
    checks.push(failed('database-encoding', `The database is in ${encoding}.`, 'Create it with ENCODING UTF8.'));
  }
  if (superuser) {
    checks.push(
      warning(
        'database-user',
        'The service is a superuser of Postgres.',
        'Give it a role of its own that owns its tables alone.',
      ),
    );
  }
  if (timeout === '0') {
    checks.push(
      warning(
        'database-timeouts',
        'Postgres does not bound the service’s statements: something between drops what is asked for when connecting.',
        'Behind PgBouncer set them in connect_query, as deploy/pgbouncer/pgbouncer.ini does.',
      ),
    );
  }
  checks.push(
    Math.abs(offsetMs) <= MAX_CLOCK_OFFSET_MS
      ? ok('clock', 'This machine and the database agree on the time.')
      : warning(
          'clock',
          `This machine’s clock is ${(Math.abs(offsetMs) / 1000).toFixed(0)} seconds ${offsetMs > 0 ? 'behind' : 'ahead of'} the database’s. Gatehouse goes by the database; services that check tokens themselves do not.`,
          'Let NTP set both.',
        ),
  );
  return checks;
}

/** Whether the tables are there as this version knows them, and may be written. */
export async function examineTables({ client }: Connected, known: string[]): Promise<Check[]> {
  const { rows } = await client.query("SELECT to_regclass('_prisma_migrations') IS NOT NULL AS migrated");
  const migrate = 'Run node dist/cli.js migrate.';
  if (!rows[0].migrated) return [failed('migrations', 'The database has no tables yet.', migrate)];
  const { rows: applied } = await client.query<{ name: string; broken: boolean }>(
    `SELECT migration_name AS name, finished_at IS NULL AS broken FROM _prisma_migrations WHERE rolled_back_at IS NULL`,
  );
  const names = new Set(applied.map(({ name }) => name));
  const pending = known.filter((name) => !names.has(name));
  const unknown = [...names].filter((name) => !known.includes(name));
  const broken = applied.filter((one) => one.broken).map(({ name }) => name);
  const faults: Check[] = [];
  if (broken.length > 0) {
    faults.push(
      failed(
        'migrations',
        `A migration broke off: ${broken.join(', ')}.`,
        'docs/operations.md says how to go on from there.',
      ),
    );
  }
  if (pending.length > 0) faults.push(failed('migrations', `${pending.length} migrations are not applied.`, migrate));
  if (unknown.length > 0) {
    faults.push(
      warning(
        'migrations',
        `The database knows ${unknown.join(', ')}, which this version does not: it is of a newer one.`,
        'Deploy the version that the database was migrated for.',
      ),
    );
  }
  if (pending.length > 0 || broken.length > 0) return faults;
  return [
    ...(faults.length > 0 ? faults : [ok('migrations', 'All migrations are applied.')]),
    ...(await examineRights(client)),
  ];
}

async function examineRights(client: pg.Client): Promise<Check[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT name FROM unnest($1::text[]) AS name WHERE NOT (has_table_privilege(name, 'SELECT') AND has_table_privilege(name, 'INSERT')
       AND has_table_privilege(name, 'UPDATE') AND has_table_privilege(name, 'DELETE'))`,
    [TABLES],
  );
  if (rows.length === 0) return [ok('rights', 'The service may read and write its tables.')];
  return [
    failed(
      'rights',
      `The service may not read and write ${rows.map(({ name }) => name).join(', ')}.`,
      'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO the user in DATABASE_URL, or let it own them.',
    ),
  ];
}

/** Whether the pool, and how many instances of it, fit into what Postgres allows. */
export async function examineConnections({ client }: Connected, poolSize: number): Promise<Check[]> {
  const { rows } = await client.query(
    `SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS total,
       (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name NOT LIKE 'gatehouse%') AS others`,
  );
  const { total, others } = rows[0] as { total: number; others: number };
  // One more, to listen.
  const each = poolSize + 1;
  const fit = Math.floor((total - others) / each);
  if (fit < 1) {
    return [
      failed(
        'connections',
        `DATABASE_POOL_SIZE is ${poolSize}, and Postgres has ${total - others} connections for it.`,
        'Lower DATABASE_POOL_SIZE (10 serve thousands of requests a second), or raise max_connections.',
      ),
    ];
  }
  if (fit < 2) {
    return [
      warning(
        'connections',
        `Postgres has room for one instance with a pool of ${poolSize}: a rolling restart needs room for two.`,
        'Lower DATABASE_POOL_SIZE, or raise max_connections.',
      ),
    ];
  }
  return [ok('connections', `Postgres has room for ${fit} instances with a pool of ${poolSize}.`)];
}
