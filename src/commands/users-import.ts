import { createReadStream, type ReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { loadMigrationUrl } from '../config.js';
import { openDatabase } from '../database/database.js';
import { isDatabaseUnavailable } from '../database/faults.js';
import { type ImportedAccount, parseImportLine } from '../modules/accounts/account-import.js';
import { createAccountImportRepository } from '../modules/accounts/account-import-repository.js';
import { orUsageError, UsageError } from './command.js';
import { createProgressBar } from './progress-bar.js';
import { readLines } from './read-lines.js';

/** Accounts that are written by one statement. */
const BATCH_ACCOUNTS = 500;
/** How often, and after how long, a batch is tried again when the database cannot be asked. */
const RETRY_AFTER_MS = [500, 2_000];

/** @param args a file of accounts, and perhaps --dry-run. @throws UsageError; Error when it stopped before the end */
export async function importUsers(args: string[]): Promise<void> {
  const { values, positionals } = orUsageError(() =>
    parseArgs({ args, options: { 'dry-run': { type: 'boolean' } }, allowPositionals: true }),
  );
  const [file, ...rest] = positionals;
  if (file === undefined || rest.length > 0) throw new UsageError('users import needs one file, or -.');
  await importFile(file, values['dry-run'] ?? false);
}

async function importFile(file: string, dryRun: boolean): Promise<void> {
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
