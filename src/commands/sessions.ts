import { parseArgs } from 'node:util';
import { validate as isUuid } from 'uuid';
import type { Database } from '../database/database.js';
import type { Session } from '../modules/sessions/session.js';
import { createSessionRepository } from '../modules/sessions/session-repository.js';
import { type Command, orUsageError, UsageError } from './command.js';
import { findPerson, withDatabase } from './person.js';
import { confirm, countSessions, print, tableOf } from './terminal.js';

/** Few enough that what a statement locks is let go of at once. */
const BATCH = 500;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';
const ENDING = { reason: 'revoked', client: null } as const;

const OPTIONS = {
  user: { type: 'string' },
  session: { type: 'string' },
  all: { type: 'boolean' },
  json: { type: 'boolean' },
  yes: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
} as const;

type Options = {
  user?: string;
  session?: string;
  all?: boolean;
  json?: boolean;
  yes?: boolean;
  'dry-run'?: boolean;
};

export const sessions: Command = {
  summary: 'list and end sessions',
  help: `Usage: node dist/cli.js sessions list --user <email|id> [--json]
       node dist/cli.js sessions end --user <email|id> | --session <id> | --all [--yes] [--dry-run] [--json]

  list   The live sessions of a person, newest first.
  end    Ends them: refresh tokens and access tokens are refused on every instance within a second, and their owners are
         told that it was revoked. Asks before it does so; --yes says so in advance, and --dry-run only counts.
         --all ends those of everybody, ${BATCH} at a time, while the service goes on; it can be run again.

Exit code: 0 when it is done, 1 when it failed, 2 when it makes no sense or nobody said yes.

Needs DATABASE_URL (or DATABASE_DIRECT_URL).`,

  async run([action = '', ...args]) {
    const { values } = orUsageError(() => parseArgs({ args, options: OPTIONS }));
    if (action === 'list') return list(values);
    if (action === 'end') return end(values);
    throw new UsageError(action === '' ? 'sessions needs an action.' : `sessions cannot "${action}".`);
  },
};

async function list({ user, json = false, ...others }: Options): Promise<void> {
  if (user === undefined || others.session !== undefined || others.all) {
    throw new UsageError('sessions list needs --user, and nothing else to choose by.');
  }
  await withDatabase(async (database) => {
    const person = await findPerson(database, user);
    const live = await createSessionRepository(database).listLive(person.id);
    const rows = live.map((session) => [
      session.id,
      session.createdAt.toISOString(),
      session.rotatedAt.toISOString(),
      session.transport,
      session.ip ?? '-',
    ]);
    const text = live.length === 0 ? `${person.email} has no live session.` : tableOf(HEADS, rows);
    print(json, { sessions: live.map(toJson) }, text);
  });
}

const HEADS = ['SESSION', 'OPENED', 'LAST USED', 'TRANSPORT', 'ADDRESS'];

function toJson(session: Session) {
  return {
    id: session.id,
    created_at: session.createdAt,
    last_used_at: session.rotatedAt,
    idle_expires_at: session.idleExpiresAt,
    expires_at: session.expiresAt,
    transport: session.transport,
    ip: session.ip,
    user_agent: session.userAgent,
  };
}

async function end({ user, session, all = false, json = false, yes = false, ...rest }: Options): Promise<void> {
  if ([user !== undefined, session !== undefined, all].filter(Boolean).length !== 1) {
    throw new UsageError('sessions end needs one of --user, --session and --all.');
  }
  if (session !== undefined && !isUuid(session)) throw new UsageError(`"${session}" is not the id of a session.`);
  await withDatabase(async (database) => {
    const chosen = await choose(database, { user, session });
    const live = await chosen.count();
    if (rest['dry-run']) return print(json, { would_end: live }, `would end ${countSessions(live)} of ${chosen.whose}`);
    if (live > 0) await confirm(`This ends ${countSessions(live)} of ${chosen.whose}.`, { yes });
    const ended = await chosen.end();
    print(json, { ended }, `ended ${countSessions(ended)} of ${chosen.whose}`);
  });
}

async function choose(database: Database, { user, session }: Record<'user' | 'session', string | undefined>) {
  const repository = createSessionRepository(database);
  if (session !== undefined) {
    const found = await repository.find(session);
    if (found === null) throw new Error(`There is no session ${session}.`);
    return {
      whose: found.user.email,
      count: async () => Number(found.session.endedAt === null),
      end: async () => Number((await repository.end(session, ENDING)) !== null),
    };
  }
  if (user !== undefined) {
    const person = await findPerson(database, user);
    return {
      whose: person.email,
      count: () => repository.countUnended(person.id),
      end: async () => (await repository.endAllOf(person.id, ENDING, null)).length,
    };
  }
  return { whose: 'everybody', count: () => repository.countUnended(), end: () => endAll(repository) };
}

async function endAll(repository: Pick<ReturnType<typeof createSessionRepository>, 'endNext'>): Promise<number> {
  let after = BEFORE_ALL;
  let ended = 0;
  for (;;) {
    const batch = await repository.endNext(after, BATCH, ENDING);
    ended += batch.length;
    after =
      batch
        .map(({ sessionId }) => sessionId)
        .sort()
        .at(-1) ?? after;
    if (batch.length === 0) return ended;
  }
}
