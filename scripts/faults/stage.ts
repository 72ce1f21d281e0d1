import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { encodeRefreshToken } from '../../src/modules/sessions/refresh-token.js';
import { createKeyRing } from '../../src/shared/key-ring.js';
import type { Cluster } from './cluster.js';
import { type Instance, type InstanceOptions, startInstance } from './instance.js';
import { startProxy, type TcpProxy } from './proxy.js';
import { createWitness, type Witness } from './witness.js';

/** A session that was written into the database, and its first refresh token. */
export type Seeded = { sessionId: string; userId: string; refreshToken: string };

/** What a row works on: a migrated database of its own, and whatever it starts. All of it goes when the row is over. */
export type Stage = {
  isShort: boolean;
  cluster: Cluster;
  databaseUrl: string;
  witness: Witness;
  /** Those that were started, also those that ended. */
  instances: Instance[];
  sql: <Result extends pg.QueryResultRow>(statement: string, values?: unknown[]) => Promise<Result[]>;
  /** @param settings whatever differs from `settingsOf` */
  start: (settings?: NodeJS.ProcessEnv, options?: InstanceOptions) => Promise<Instance>;
  startTwo: (settings?: NodeJS.ProcessEnv) => Promise<[Instance, Instance]>;
  /** Runs `node dist/cli.js`. @throws unless it ends with 0 */
  command: (...args: string[]) => Promise<string>;
  startProxy: (target: string) => Promise<TcpProxy>;
  /** Opens sessions of one new person, past the service. */
  seed: (count: number, userId?: string) => Promise<Seeded[]>;
  /** Work to be done when the row is over, last first. */
  atEnd: (work: () => Promise<unknown>) => void;
  close: () => Promise<void>;
};

const TEMPLATE = 'gatehouse_template';

/** Quick hashes and no limits: a row that is about them sets its own. */
function settingsOf(databaseUrl: string, appSecret: string): NodeJS.ProcessEnv {
  return {
    // A free one, which its log tells.
    PORT: '0',
    DATABASE_URL: databaseUrl,
    APP_SECRETS: appSecret,
    ISSUER_URL: 'http://localhost',
    COOKIE_SECURE: 'false',
    BCRYPT_COST: '4',
    HASH_CONCURRENCY: '1',
    HASH_QUEUE: '1000',
    RATE_LIMIT_PER_MINUTE: '0',
    RATE_LIMIT_CREDENTIALS_PER_MINUTE: '0',
    SIGN_IN_FAILURES_PER_ADDRESS: '0',
    DOCS_ENABLED: 'false',
  };
}

/** Migrates the database that the others are copies of. */
export async function prepareTemplate(cluster: Cluster): Promise<void> {
  await cluster.execute(`CREATE DATABASE ${TEMPLATE}`);
  const migration = await startInstance(
    { DATABASE_URL: cluster.url(TEMPLATE) },
    { program: 'dist/cli.js', args: ['migrate'], listening: false },
  );
  if ((await migration.exit) !== 0) throw new Error(`The database could not be migrated:\n${migration.output()}`);
}

/** @param tablespace where the row's database lies, if not with the others */
export async function createStage(cluster: Cluster, { isShort, tablespace, release }: StageOptions): Promise<Stage> {
  const name = `faults_${randomBytes(5).toString('hex')}`;
  await cluster.execute(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}${tablespace ? ` TABLESPACE ${tablespace}` : ''}`);
  const databaseUrl = cluster.url(name);
  const secret = randomBytes(32);
  const keys = createKeyRing([secret]).current;
  const settings = settingsOf(databaseUrl, secret.toString('base64url'));
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 4 });
  pool.on('error', () => {});
  const instances: Instance[] = [];
  const atEnd: (() => Promise<unknown>)[] = [];
  const witness = createWitness();
  let closing: Promise<void> | undefined;

  const sql: Stage['sql'] = async (statement, values = []) => (await pool.query(statement, values)).rows;

  async function start(more: NodeJS.ProcessEnv = {}, options: InstanceOptions = {}): Promise<Instance> {
    if (closing !== undefined) throw new Error('The row was broken off.');
    const onSpawn = (instance: Instance) => void instances.push(instance);
    return startInstance({ ...settings, ...more }, { ...options, onSpawn });
  }

  return {
    isShort,
    cluster,
    databaseUrl,
    witness,
    instances,
    sql,
    start,
    startTwo: (more) => Promise.all([start(more), start(more)]),
    async command(...args) {
      const command = await startInstance(settings, { program: 'dist/cli.js', args, listening: false });
      const code = await command.exit;
      if (code !== 0) throw new Error(`cli.js ${args.join(' ')} ended with ${code}:\n${command.output()}`);
      return command.output();
    },
    async startProxy(target) {
      const proxy = await startProxy(target);
      atEnd.push(proxy.close);
      return proxy;
    },
    async seed(count, givenUserId) {
      const userId = givenUserId ?? (await insertPerson(sql));
      const rows = await sql<{ id: string }>(
        `INSERT INTO sessions (id, user_id, transport, idle_expires_at, expires_at)
         SELECT gen_random_uuid(), $1, 'cookie', now() + interval '14 days', now() + interval '90 days'
         FROM generate_series(1, $2::int) RETURNING id`,
        [userId, count],
      );
      return rows.map(({ id: sessionId }) => {
        const refreshToken = encodeRefreshToken({ sessionId, generation: 1 }, keys);
        witness.holds(refreshToken);
        return { sessionId, userId, refreshToken };
      });
    },
    atEnd: (work) => void atEnd.push(work),
    close() {
      closing ??= closeAll();
      return closing;
    },
  };

  async function closeAll(): Promise<void> {
    for (const work of atEnd.reverse()) await work();
    await Promise.all(instances.map((instance) => instance.end('SIGKILL')));
    await pool.end();
    await cluster.execute(`DROP DATABASE ${name} WITH (FORCE)`).catch((error: unknown) => {
      // A row that was broken off may have left the server down; its data go with it.
      console.error(`The database of a row could not be dropped: ${error}`);
    });
    await release?.();
  }
}

export type StageOptions = {
  isShort: boolean;
  tablespace?: string;
  /** Done when the row's database is gone. */
  release?: () => Promise<void>;
};

async function insertPerson(sql: Stage['sql']): Promise<string> {
  const email = `seeded-${randomBytes(6).toString('hex')}@example.test`;
  const [person] = await sql<{ id: string }>(
    'INSERT INTO users (id, email, password_hash) VALUES (gen_random_uuid(), $1, $2) RETURNING id',
    [email, 'nobody knows the password'],
  );
  if (person === undefined) throw new Error('No person was written.');
  return person.id;
}
