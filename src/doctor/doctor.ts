import { availableParallelism } from 'node:os';
import type { inspectEnvironment } from '../config.js';
import { openDatabase } from '../database/database.js';
import { migrationNames } from '../database/schema-engine.js';
import { readSmtpUrl } from '../modules/mail/smtp-transport.js';
import { createSigningKeyRepository } from '../modules/tokens/signing-key-repository.js';
import { createKeyRing } from '../shared/key-ring.js';
import { settlesWithin } from '../shared/settles-within.js';
import { type Check, failed, ok, skipped } from './check.js';
import { type Connected, connect, examineConnections, examineDatabase, examineTables } from './database-probe.js';
import { judgeKeys } from './keys-probe.js';
import { examineListener } from './listener-probe.js';
import { examineHashing, examineMail, examineRedis } from './services-probe.js';
import { type Given, judgeSettings } from './settings.js';

type Inspected = ReturnType<typeof inspectEnvironment>;

/** For each subject; what takes longer is told as such. */
const SUBJECT_MS = 8_000;

/** Looks at everything that the service stands on. Changes nothing, and takes ten seconds at most. */
export async function examine({ given, faults, appSecrets }: Inspected): Promise<Check[]> {
  const configuration =
    faults.length === 0
      ? [ok('configuration', 'The service would start with these settings.')]
      : faults.map((fault) =>
          failed('configuration', fault, 'Mend the variable that is named; the service does not start with it.'),
        );
  const concurrency = given.HASH_CONCURRENCY ?? availableParallelism();
  const found = await Promise.all([
    bounded('database', examineDatabases(given, appSecrets)),
    bounded('mail', examineMail(smtpOf(given))),
    bounded('redis', examineRedis(given.REDIS_URL)),
    bounded('hashing', examineHashing(given.BCRYPT_COST ?? 12, concurrency, availableParallelism())),
  ]);
  return [...configuration, ...judgeSettings(given), ...found.flat()];
}

function smtpOf({ SMTP_URL: url }: Given) {
  return url === undefined || url === 'memory:' || !URL.canParse(url) ? undefined : readSmtpUrl(url);
}

async function examineDatabases(given: Given, appSecrets: Buffer[]): Promise<Check[]> {
  const { DATABASE_URL: url, DATABASE_DIRECT_URL: directUrl = url } = given;
  if (url === undefined || directUrl === undefined) return [skipped('database', 'DATABASE_URL could not be read.')];
  const [main, direct] = await Promise.all([connect('database', url), connect('database-direct', directUrl)]);
  const open = [main, direct].filter((one): one is Connected => 'client' in one);
  try {
    if (!('client' in main)) return [main];
    const checks = await examineDatabase(main);
    const tables = await examineTables(main, await migrationNames());
    checks.push(...tables, ...(await examineConnections(main, given.DATABASE_POOL_SIZE ?? 10)));
    checks.push(...('client' in direct ? await examineListener(direct, main) : [direct]));
    if (tables.some(({ name, status }) => name === 'migrations' && status === 'failed') || appSecrets.length === 0) {
      return [
        ...checks,
        skipped('keys', 'The signing keys can be looked at once the tables are there and APP_SECRETS can be read.'),
      ];
    }
    return [...checks, ...(await examineKeys(url, appSecrets, given.SIGNING_KEY_ROTATION_DAYS ?? 30))];
  } finally {
    await Promise.all(open.map(({ close }) => close()));
  }
}

async function examineKeys(url: string, appSecrets: Buffer[], rotationDays: number): Promise<Check[]> {
  const database = openDatabase({ url, poolSize: 1, log: { warn: () => {} } });
  try {
    const stored = await createSigningKeyRepository(database, createKeyRing(appSecrets)).list();
    const [time] = await database.$queryRaw<{ now: Date }[]>`SELECT now() AS now`;
    return judgeKeys(stored, rotationDays, time?.now ?? new Date());
  } finally {
    await database.$disconnect();
  }
}

/** A subject that breaks or hangs is one finding, and takes no other along. */
async function bounded(name: string, work: Promise<Check[]>): Promise<Check[]> {
  const safe = work.catch((error): Check[] => {
    const { code = 'no code' } = error as { code?: string };
    return [
      failed(name, `It could not be examined (${code}).`, 'Try again; if it stays so, look at the log of the service.'),
    ];
  });
  if (await settlesWithin(safe, SUBJECT_MS)) return safe;
  return [failed(name, `It did not answer within ${SUBJECT_MS / 1_000} seconds.`, 'Look whether it hangs.')];
}
