import { parseArgs } from 'node:util';
import { loadKeysConfig } from '../config.js';
import { openDatabase } from '../database/database.js';
import { createAccountRepository } from '../modules/accounts/account-repository.js';
import { normalizeEmail } from '../modules/accounts/email-address.js';
import { subjectsOfPerson } from '../modules/attempts/attempt-policy.js';
import { createAttemptRepository } from '../modules/attempts/attempt-repository.js';
import { createKeyRing } from '../shared/key-ring.js';
import { type Command, orUsageError, UsageError } from './command.js';

export const attempts: Command = {
  summary: 'let an account that was guessed at begin anew',
  help: `Usage: node dist/cli.js attempts forget <e-mail address>

  forget   Forgets all wrong guesses of strangers at this account, and lifts every delay and stop that came of them.
           Whoever is guessing gets new free guesses too. A known device keeps its own count, and a client address its.

Needs DATABASE_URL (or DATABASE_DIRECT_URL) and APP_SECRETS, the same as the service's. docs/guessing.md tells more.`,

  async run([action = '', ...args]) {
    if (action !== 'forget')
      throw new UsageError(action ? `attempts cannot "${action}".` : 'attempts needs an action.');
    const { positionals } = orUsageError(() => parseArgs({ args, options: {}, allowPositionals: true }));
    const [typed = '', ...rest] = positionals;
    const email = normalizeEmail(typed);
    if (email === null || rest.length > 0) throw new UsageError('attempts forget needs one e-mail address.');
    await forget(email);
  },
};

async function forget(email: string): Promise<void> {
  const { databaseUrl, appSecrets } = loadKeysConfig();
  const database = openDatabase({ url: databaseUrl, poolSize: 1, log: { warn: () => {} } });
  try {
    const account = await createAccountRepository(database).findByEmail(email);
    // Guesses are counted whether or not there is an account.
    const person = account ?? { id: '', email };
    const repository = createAttemptRepository(database, createKeyRing(appSecrets));
    await repository.forget(subjectsOfPerson(person).map(repository.hash));
    console.log(
      account
        ? `Guesses at ${email} count from nothing again.`
        : `There is no account ${email}. Nothing counts for it now.`,
    );
  } finally {
    await database.$disconnect();
  }
}
