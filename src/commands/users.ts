import { parseArgs } from 'node:util';
import { createAccountRepository } from '../modules/accounts/account-repository.js';
import { createEventRepository } from '../modules/audit/event-repository.js';
import { removeSecondFactor } from '../modules/second-factor/second-factor-removal-repository.js';
import { createSessionRepository } from '../modules/sessions/session-repository.js';
import { type Command, orUsageError, UsageError } from './command.js';
import { findPerson, withDatabase } from './person.js';
import { confirm, countSessions, print, tableOf } from './terminal.js';
import { importUsers } from './users-import.js';

const OPTIONS = {
  reason: { type: 'string' },
  json: { type: 'boolean' },
  yes: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
} as const;

type Options = { reason?: string; json?: boolean; yes?: boolean; 'dry-run'?: boolean };

const MAX_REASON_CHARACTERS = 200;

export const users: Command = {
  summary: 'look up, close and open accounts; bring accounts along from elsewhere',
  help: `Usage: node dist/cli.js users show <email|id> [--json]
       node dist/cli.js users disable <email|id> [--reason <text>] [--yes] [--dry-run] [--json]
       node dist/cli.js users enable <email|id> [--json]
       node dist/cli.js users reset-second-factor <email|id> [--yes] [--dry-run] [--json]
       node dist/cli.js users import <file | -> [--dry-run]

  show      What support needs to know. No password, no hash, no secret.
  disable   Ends all sessions of the account, everywhere within a second, and lets nobody sign in to it. Whoever has the
            right password is told 403 account_disabled; others learn nothing. --reason is kept with the event, which
            the owner can read.
  enable    Opens it again. People sign in anew.
  reset-second-factor
            For somebody who lost their second factor and all recovery codes: takes the factor away, and ends all
            sessions. Make sure that it is them: from then on the password is enough.
  import    Adds accounts from a file of one JSON object a line (NDJSON; - reads standard input):

             {"email":"ada@example.com","password_hash":"$2b$12$…","email_verified":true,"created_at":"2024-05-31T12:00:00Z"}

           email and password_hash are needed. A hash is bcrypt's: $2a$, $2b$ or $2y$, with a cost from 4 to 16. It is
           replaced by one of ours when its owner first signs in, with the password that they have.
           An address that is there already is left as it is, so an import can be run again. Bad lines are told by
           their number on standard error, and keep no other line out; if there were any, the exit code is 1.
           --dry-run checks every line and writes nothing. (An address that is in the file twice may then be counted
           twice.)

What destroys asks first; --yes says so in advance, and without a terminal it must. --dry-run changes nothing.
Exit code: 0 when it is done, 1 when it failed, 2 when it makes no sense or nobody said yes.

Needs DATABASE_URL (or DATABASE_DIRECT_URL).`,

  async run([action = '', ...args]) {
    if (action === 'import') return importUsers(args);
    const work = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
    if (work === undefined) {
      throw new UsageError(action === '' ? 'users needs an action.' : `users cannot "${action}".`);
    }
    const { values, positionals } = orUsageError(() => parseArgs({ args, options: OPTIONS, allowPositionals: true }));
    const [named, ...rest] = positionals;
    if (named === undefined || rest.length > 0) throw new UsageError(`users ${action} needs one address or id.`);
    await work(named, values);
  },
};

const ACTIONS: Record<string, (named: string, options: Options) => Promise<void>> = {
  show,
  disable,
  enable,
  'reset-second-factor': resetSecondFactor,
};

async function show(named: string, { json = false }: Options): Promise<void> {
  await withDatabase(async (database) => {
    const person = await findPerson(database, named);
    const live = await createSessionRepository(database).listLive(person.id);
    const [lastEvent] = await createEventRepository(database).list(person.id, null, 1);
    const document = {
      id: person.id,
      email: person.email,
      email_verified: person.emailVerified,
      created_at: person.createdAt,
      disabled: person.isDisabled,
      second_factor: person.hasSecondFactor,
      live_sessions: live.length,
      last_event: lastEvent ? { type: lastEvent.type, created_at: lastEvent.createdAt } : null,
    };
    const { last_event: last, ...rest } = document;
    const shown = { ...rest, last_event: last ? `${last.type}, ${last.created_at.toISOString()}` : 'none' };
    const rows = Object.entries(shown).map(([name, value]) => [
      name.replaceAll('_', ' '),
      value instanceof Date ? value.toISOString() : typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value),
    ]);
    print(json, document, tableOf(['ACCOUNT', ''], rows));
  });
}

async function disable(named: string, { reason, json = false, yes = false, ...rest }: Options): Promise<void> {
  if (reason !== undefined && reason.length > MAX_REASON_CHARACTERS) {
    throw new UsageError(`--reason may have ${MAX_REASON_CHARACTERS} characters.`);
  }
  await withDatabase(async (database) => {
    const { id, email, isDisabled } = await findPerson(database, named);
    if (isDisabled) return print(json, { disabled: true, ended: 0 }, `${email} is disabled already.`);
    const live = await createSessionRepository(database).listLive(id);
    if (rest['dry-run']) {
      return print(json, { would_end: live.length }, `would disable ${email} and end ${countSessions(live.length)}`);
    }
    await confirm(`This closes the account ${email} and ends its ${countSessions(live.length)}.`, { yes });
    const ended = await database.$transaction(async (transaction) => {
      await createAccountRepository(transaction).disable(id, reason === undefined ? {} : { reason });
      return createSessionRepository(transaction).endAllOf(id, { reason: 'disabled', client: null }, null);
    });
    print(json, { disabled: true, ended: ended.length }, `disabled ${email}, ended ${countSessions(ended.length)}`);
  });
}

async function enable(named: string, { json = false }: Options): Promise<void> {
  await withDatabase(async (database) => {
    const { id, email } = await findPerson(database, named);
    const wasDisabled = await createAccountRepository(database).enable(id);
    print(json, { disabled: false }, wasDisabled ? `enabled ${email}` : `${email} was not disabled.`);
  });
}

async function resetSecondFactor(named: string, { json = false, yes = false, ...rest }: Options): Promise<void> {
  await withDatabase(async (database) => {
    const { id, email, hasSecondFactor } = await findPerson(database, named);
    if (!hasSecondFactor) return print(json, { removed: false, ended: 0 }, `${email} has no second factor.`);
    if (rest['dry-run']) return print(json, { would_remove: true }, `would take the second factor from ${email}`);
    await confirm(`From now on the password of ${email} is enough to sign in. All its sessions end.`, { yes });
    const ended = await database.$transaction(async (transaction) => {
      await createAccountRepository(transaction).lock(id);
      await removeSecondFactor(transaction, id);
      return createSessionRepository(transaction).endAllOf(id, { reason: 'revoked', client: null }, null);
    });
    print(
      json,
      { removed: true, ended: ended.length },
      `took the second factor from ${email}, ended ${countSessions(ended.length)}`,
    );
  });
}
