import { validate as isUuid } from 'uuid';
import { loadMigrationUrl } from '../config.js';
import { type Database, openDatabase } from '../database/database.js';
import { type Account, createAccountRepository } from '../modules/accounts/account-repository.js';
import { normalizeEmail } from '../modules/accounts/email-address.js';
import { UsageError } from './command.js';

/** Opens the database for one command, and closes it whatever comes of that. */
export async function withDatabase<Result>(work: (database: Database) => Promise<Result>): Promise<Result> {
  const database = openDatabase({ url: loadMigrationUrl(), poolSize: 1, log: { warn: () => {} } });
  try {
    return await work(database);
  } finally {
    await database.$disconnect();
  }
}

/**
 * The person that an operator means.
 *
 * @param named by an e-mail address or an id
 * @throws UsageError when it is neither; Error when there is no such person
 */
export async function findPerson(database: Database, named: string): Promise<Account> {
  const accounts = createAccountRepository(database);
  const email = normalizeEmail(named);
  if (!isUuid(named) && email === null) throw new UsageError(`"${named}" is neither an e-mail address nor an id.`);
  const account = isUuid(named) ? await accounts.findById(named) : await accounts.findByEmail(email ?? '');
  if (account === null) throw new Error(`There is no account ${named}.`);
  return account;
}
