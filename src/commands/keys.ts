import { parseArgs } from 'node:util';
import { loadKeysConfig } from '../config.js';
import { openDatabase } from '../database/database.js';
import {
  createSigningKeyRepository,
  type SigningKeyRepository,
  type StoredSigningKey,
} from '../modules/tokens/signing-key-repository.js';
import { decideRevocation, decideRotation, type KeyChanges } from '../modules/tokens/signing-key-schedule.js';
import { createKeyRing } from '../shared/key-ring.js';
import { type Command, orUsageError, UsageError } from './command.js';

type Work = { repository: SigningKeyRepository; secretIds: number[] };

export const keys: Command = {
  summary: 'list, rotate and retire the keys that sign access tokens',
  help: `Usage: node dist/cli.js keys list [--json]
       node dist/cli.js keys rotate [--now]
       node dist/cli.js keys retire <kid> --now

  list     All keys: their status, their times, and which of APP_SECRETS each is encrypted under.
  rotate   Lets the next key sign from now on. What the old one signed stays valid until it expires.
           Refused while the next key is younger than 6 minutes, since services that check tokens themselves may not
           have it yet; --now rotates all the same.
  retire   An emergency: this key has leaked. Every token that it signed is refused from now on, on every instance
           within a minute, and another key signs. People stay signed in: their apps refresh.

Needs DATABASE_URL (or DATABASE_DIRECT_URL) and APP_SECRETS. docs/keys-and-secrets.md tells more.`,

  async run([action = '', ...args]) {
    switch (action) {
      case 'list': {
        const { values } = orUsageError(() => parseArgs({ args, options: { json: { type: 'boolean' } } }));
        return withKeys((work) => list(work, values.json ?? false));
      }
      case 'rotate': {
        const { values } = orUsageError(() => parseArgs({ args, options: { now: { type: 'boolean' } } }));
        return withKeys((work) => rotate(work, values.now ?? false));
      }
      case 'retire': {
        const { values, positionals } = orUsageError(() =>
          parseArgs({ args, options: { now: { type: 'boolean' } }, allowPositionals: true }),
        );
        const [kid, ...rest] = positionals;
        if (kid === undefined || rest.length > 0) throw new UsageError('keys retire needs one kid.');
        return withKeys((work) => retire(work, kid, values.now ?? false));
      }
      default:
        throw new UsageError(action === '' ? 'keys needs an action.' : `keys cannot "${action}".`);
    }
  },
};

async function withKeys(work: (work: Work) => Promise<void>): Promise<void> {
  const { databaseUrl, appSecrets } = loadKeysConfig();
  const keyRing = createKeyRing(appSecrets);
  const database = openDatabase({ url: databaseUrl, poolSize: 1, log: { warn: () => {} } });
  try {
    const repository = createSigningKeyRepository(database, keyRing);
    await work({ repository, secretIds: appSecrets.map((secret) => createKeyRing([secret]).current.id) });
  } finally {
    await database.$disconnect();
  }
}

async function list({ repository, secretIds }: Work, asJson: boolean): Promise<void> {
  const stored = await repository.list();
  if (asJson) {
    console.log(
      JSON.stringify(
        stored.map((key) => toJson(key, secretIds)),
        null,
        2,
      ),
    );
    return;
  }
  const header = ['KID', 'ALGORITHM', 'STATUS', 'CREATED', 'ACTIVATED', 'RETIRED', 'REVOKED', 'AGE', 'SECRET'];
  console.log(
    table([
      header,
      ...stored.map((key) => [
        key.kid,
        key.algorithm,
        key.status,
        ...[key.createdAt, key.activatedAt, key.retiredAt, key.revokedAt].map(minute),
        age(key.createdAt),
        key.status === 'revoked' ? '-' : `${secretOf(key, secretIds)} (id ${key.secretId})`,
      ]),
    ]),
  );
}

async function rotate({ repository }: Work, now: boolean): Promise<void> {
  const from = (await repository.list()).find(({ status }) => status === 'active')?.kid;
  const changes = await repository.change((all, time) => decideRotation(all, time, { from, evenIfUnpublished: now }), {
    whenLocked: 'wait',
  });
  tellSigner(changes);
  console.log(`${from} is retired: what it signed stays valid until it expires.`);
}

async function retire({ repository }: Work, kid: string, now: boolean): Promise<void> {
  if (!now) {
    const { promote } = decideRevocation(await repository.list(), kid);
    const successor = promote === null ? '' : ` ${promote} would sign from then on.`;
    throw new UsageError(`Nothing was done. Every token that ${kid} signed would be refused at once, and apps would refresh.${successor}
If ${kid} has leaked, add --now. To have another key sign and leave tokens alone: keys rotate.`);
  }
  const changes = await repository.change((all) => decideRevocation(all, kid), { whenLocked: 'wait' });
  console.log(`${kid} is revoked: every instance refuses what it signed within a minute.`);
  tellSigner(changes);
  console.log('Services that check tokens themselves go on accepting it until they fetch the JWKS again (5 minutes).');
}

function tellSigner(changes: KeyChanges | null): void {
  if (changes?.promote) console.log(`${changes.promote} signs from now on.`);
}

/** Where in APP_SECRETS the secret stands that a key is encrypted under. */
function secretOf({ status, secretId }: StoredSigningKey, secretIds: number[]): string | null {
  if (status === 'revoked') return null;
  const index = secretIds.indexOf(secretId);
  return index < 0 ? 'not listed' : index === 0 ? 'first' : `number ${index + 1}`;
}

function toJson(key: StoredSigningKey, secretIds: number[]) {
  return {
    kid: key.kid,
    algorithm: key.algorithm,
    status: key.status,
    created_at: key.createdAt,
    activated_at: key.activatedAt,
    retired_at: key.retiredAt,
    revoked_at: key.revokedAt,
    secret: secretOf(key, secretIds),
    secret_id: key.secretId,
  };
}

function minute(time: Date | null): string {
  return time === null ? '-' : `${time.toISOString().slice(0, 16)}Z`;
}

function age(since: Date): string {
  const hours = Math.max(0, Math.floor((Date.now() - since.getTime()) / 3_600_000));
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} d`;
}

function table(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
