import { createReadStream, type ReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { loadMigrationUrl } from '../config.js';
import { openDatabase } from '../database/database.js';
import { isDatabaseUnavailable } from '../database/faults.js';
import { type ImportedAccount, parseImportLine } from '../modules/accounts/account-import.js';
import { createAccountImportRepository } from '../modules/accounts/account-import-repository.js';
import { type Command, orUsageError, UsageError } from './command.js';
import { createProgressBar } from './progress-bar.js';
import { readLines } from './read-lines.js';

/** Accounts that are written by one statement. */
const BATCH_ACCOUNTS = 500;
/** How often, and after how long, a batch is tried again when the database cannot be asked. */
const RETRY_AFTER_MS = [500, 2_000];

export const users: Command = {
  summary: 'bring accounts along from elsewhere',
  help: `Usage: node dist/cli.js users import <file | -> [--dry-run]

  import   Adds accounts from a file of one JSON object a line (NDJSON; - reads standard input):

             {"email":"ada@example.com","password_hash":"$2b$12$…","email_verified":true,"created_at":"2024-05-31T12:00:00Z"}

           email and password_hash are needed. A hash is bcrypt's: $2a$, $2b$ or $2y$, with a cost from 4 to 16. It is
           replaced by one of ours when its owner first signs in, with the password that they have.
           An address that is there already is left as it is, so an import can be run again. Bad lines are told by
           their number on standard error, and keep no other line out; if there were any, the exit code is 1.
           --dry-run checks every line and writes nothing. (An address that is in the file twice may then be counted
           twice.)

Needs DATABASE_URL (or DATABASE_DIRECT_URL).`,

  async run([action = '', ...args]) {
    if (action !== 'import')
      throw new UsageError(action === '' ? 'users needs an action.' : `users cannot "${action}".`);
    const { values, positionals } = orUsageError(() =>
      parseArgs({ args, options: { 'dry-run': { type: 'boolean' } }, allowPositionals: true }),
    );
    const [file, ...rest] = positionals;
    if (file === undefined || rest.length > 0) throw new UsageError('users import needs one file, or -.');
    await importUsers(file, values['dry-run'] ?? false);
  },
};

async function importUsers(file: string, dryRun: boolean): Promise<void> {
  const url = loadMigrationUrl();
  const source = await openSource(file);
  const database = openDatabase({ url, poolSize: 1, log: { warn: () => {} } });
  const repository = createAccountImportRepository(database);
  const write = dryRun ? repository.countMissing : repository.insert;
  const bar = createProgressBar({ terminal: process.stderr, totalBytes: source.totalBytes });
  const counted = { imported: 0, alreadyThere: 0, bad: 0 };
  const startedAt = new Date();
  let batch: ImportedAccount[] = [];

  const flush = async () => {
    if (batch.length === 0) return;
    const added = await withRetries(() => write(batch));
    counted.imported += added;
    counted.alreadyThere += batch.length - added;
    batch = [];
  };

  try {
    for await (const line of readLines(source.stream)) {
      const account = readAccount(line, startedAt);
      if (typeof account === 'string') {
        counted.bad += 1;
        bar.print(`line ${line.number}: ${account}`);
      } else if (account !== null) {
        batch.push(account);
      }
      if (batch.length === BATCH_ACCOUNTS) await flush();
      bar.update(source.stream.bytesRead, line.number);
    }
    await flush();
  } catch (error) {
    const reason = isDatabaseUnavailable(error) ? 'The database could not be asked.' : String(error);
    const until = `Stopped: ${summaryOf(counted, dryRun)} until then.`;
    throw new Error(`${until} ${reason} Run it again when that is mended: nothing is imported twice.`);
  } finally {
    bar.stop();
    await database.$disconnect();
  }
  console.log(summaryOf(counted, dryRun));
  if (counted.bad > 0) process.exitCode = 1;
}

/** @returns what is wrong with the line, or null when there is nothing in it */
function readAccount(line: { text: string } | { fault: string }, now: Date): ImportedAccount | string | null {
  if ('fault' in line) return line.fault;
  return line.text.trim() === '' ? null : parseImportLine(line.text, now);
}

type Source = {
  stream: AsyncIterable<Buffer> & Pick<ReadStream, 'bytesRead'>;
  /** undefined when nobody knows: of what is piped in, or of a named pipe. */
  totalBytes: number | undefined;
};

/** @throws Error when there is no such file, or it is none */
async function openSource(file: string): Promise<Source> {
  if (file === '-') return { stream: process.stdin as unknown as Source['stream'], totalBytes: undefined };
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw new Error(error.code === 'ENOENT' ? `There is no file ${file}.` : `${file} cannot be read (${error.code}).`);
  });
  if (found.isDirectory()) throw new Error(`${file} is a folder.`);
  return { stream: createReadStream(file), totalBytes: found.isFile() ? found.size : undefined };
}

async function withRetries<Result>(work: () => Promise<Result>): Promise<Result> {
  for (const delay of RETRY_AFTER_MS) {
    try {
      return await work();
    } catch (error) {
      if (!isDatabaseUnavailable(error)) throw error;
      await sleep(delay);
    }
  }
  return work();
}

function summaryOf({ imported, alreadyThere, bad }: Record<string, number>, dryRun: boolean): string {
  return `${dryRun ? 'would import' : 'imported'} ${imported}, already there ${alreadyThere}, bad lines ${bad}`;
}
