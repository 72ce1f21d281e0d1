import type { JsonWebKey } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { Database } from '../../database/database.js';
import type { KeyRing } from '../../shared/key-ring.js';
import type { SigningAlgorithm } from '../../shared/signing-algorithm.js';
import { decryptPrivateKey, encryptPrivateKey, generateSigningKey, type SigningKey } from './signing-key.js';
import { isNothing, type KeyChanges, type ScheduledKey, type SigningKeyStatus } from './signing-key-schedule.js';

export type StoredSigningKey = ScheduledKey & {
  publicJwk: JsonWebKey;
  revokedAt: Date | null;
  /** Which application secret the private half is encrypted under. */
  secretId: number;
  /** @throws when that secret is no longer listed, or the stored bytes are not what was written */
  decrypt: () => SigningKey;
};

export type SigningKeyRepository = ReturnType<typeof createSigningKeyRepository>;

/** Reads all keys and the database's time, and says what is to be changed. Called more than once: it must be pure. */
type Decide = (keys: StoredSigningKey[], now: Date) => KeyChanges;

type ChangeOptions = {
  /** When another process is changing keys: `wait` for it, or `leave` it to that one. */
  whenLocked: 'wait' | 'leave';
};

type Queries = Pick<Database, '$queryRaw' | '$executeRaw' | 'signingKey'>;

/** Any number, as long as nothing else in this database locks the same one. */
const SIGNING_KEY_LOCK = 7_203_851_115;

/** The keys that were made for one decision may not fit the next one, if another process came between. */
const ATTEMPTS = 5;

/** Signing keys at rest: the private halves are encrypted under the current application secret. */
export function createSigningKeyRepository(database: Database, keyRing: KeyRing) {
  return {
    /** All keys, newest first. */
    list: (): Promise<StoredSigningKey[]> => readKeys(database),

    /** For how long the active key has signed; undefined when there is none. */
    async activeAgeSeconds(): Promise<number | undefined> {
      const [row] = await database.$queryRaw<{ age: number }[]>`
        SELECT extract(epoch FROM now() - activated_at)::float8 AS age FROM signing_keys WHERE status = 'active'`;
      return row?.age;
    },

    /**
     * Decides what is to be done and does it, in one transaction under one lock: of any number of processes that want
     * the same change, one makes it, and the others then find nothing to do. Every instance is told when it commits.
     *
     * @returns what was done; null when the lock was taken and it was left
     */
    async change(decide: Decide, { whenLocked }: ChangeOptions): Promise<KeyChanges | null> {
      for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
        const seen = await read(database);
        const wanted = decide(seen.keys, seen.now);
        if (isNothing(wanted)) return wanted;
        // Made before the lock is taken: an RSA key takes a while, and no connection is held meanwhile.
        const made = await Promise.all(wanted.make.map(({ algorithm }) => generateSigningKey(uuidv7(), algorithm)));
        const done = await database.$transaction(async (transaction) => {
          if (!(await lock(transaction, whenLocked))) return null;
          const { keys, now } = await read(transaction);
          const changes = decide(keys, now);
          return (await write(transaction, changes, made)) ? changes : 'again';
        });
        if (done !== 'again') return done;
      }
      throw new Error('The signing keys are being changed by others all the time.');
    },

    /**
     * Encrypts under the first secret whatever is still under another one that is listed, so that the other can go.
     * Any number of instances may do so at once: each row is taken over by one.
     *
     * @returns how many keys were encrypted anew
     */
    async encryptUnderFirstSecret(): Promise<number> {
      const outdated = (await readKeys(database)).filter(
        ({ status, secretId }) =>
          status !== 'revoked' && secretId !== keyRing.current.id && keyRing.byId(secretId) !== undefined,
      );
      let count = 0;
      for (const key of outdated) {
        count += await database.$executeRaw`
          UPDATE signing_keys
          SET encrypted_private_key = ${encryptPrivateKey(key.decrypt(), keyRing.current)}, secret_id = ${keyRing.current.id}
          WHERE id = ${key.kid}::uuid AND secret_id = ${key.secretId} AND status <> 'revoked'`;
      }
      return count;
    },
  };

  async function read(queries: Queries): Promise<{ keys: StoredSigningKey[]; now: Date }> {
    const keys = await readKeys(queries);
    const [time] = await queries.$queryRaw<{ now: Date }[]>`SELECT clock_timestamp() AS now`;
    if (time === undefined) throw new Error('The database did not tell the time.');
    return { keys, now: time.now };
  }

  async function readKeys(queries: Queries): Promise<StoredSigningKey[]> {
    const rows = await queries.signingKey.findMany({ orderBy: { id: 'desc' } });
    return rows.map((row) => {
      const { id: kid, publicJwk, algorithm, encryptedPrivateKey, ...same } = row;
      const key = { kid, algorithm: algorithm as SigningAlgorithm, publicJwk: publicJwk as JsonWebKey };
      return {
        ...same,
        ...key,
        status: row.status as SigningKeyStatus,
        decrypt: () => ({ ...key, privateKey: decryptRow(row) }),
      };
    });
  }

  function decryptRow(row: { id: string; secretId: number; encryptedPrivateKey: Uint8Array }) {
    const keys = keyRing.byId(row.secretId);
    if (keys === undefined) {
      throw new Error(
        `The signing key ${row.id} was encrypted under an application secret that APP_SECRETS no longer lists. Put that secret back (behind the first).`,
      );
    }
    return decryptPrivateKey(row.id, row.encryptedPrivateKey, keys);
  }

  /** @returns false when a key that is to be made is not among those made: nothing was written then */
  async function write(queries: Queries, changes: KeyChanges, made: SigningKey[]): Promise<boolean> {
    const unused = [...made];
    const inserts = changes.make.map(({ status, algorithm }) => {
      const index = unused.findIndex((key) => key.algorithm === algorithm);
      const [key] = index < 0 ? [] : unused.splice(index, 1);
      return { status, key };
    });
    if (inserts.some(({ key }) => key === undefined)) return false;

    const { revoke, forget, promote } = changes;
    if (revoke !== null) {
      await queries.$executeRaw`
        UPDATE signing_keys SET status = 'revoked', revoked_at = now(), encrypted_private_key = ''
        WHERE id = ${revoke}::uuid`;
    }
    if (forget.length > 0) {
      await queries.$executeRaw`DELETE FROM signing_keys WHERE id = ANY(${forget}::uuid[])`;
    }
    if (promote !== null) {
      await queries.$executeRaw`
        UPDATE signing_keys SET status = 'retired', retired_at = now() WHERE status = 'active'`;
      await queries.$executeRaw`
        UPDATE signing_keys SET status = 'active', activated_at = now() WHERE id = ${promote}::uuid`;
    }
    for (const { status, key } of inserts) {
      if (key) await insert(queries, status, key);
    }
    return true;
  }

  async function insert(queries: Queries, status: 'next' | 'active', key: SigningKey): Promise<void> {
    await queries.$executeRaw`
      INSERT INTO signing_keys (id, algorithm, status, public_jwk, encrypted_private_key, secret_id, activated_at)
      VALUES (${key.kid}::uuid, ${key.algorithm}, ${status}, ${key.publicJwk}::jsonb,
              ${encryptPrivateKey(key, keyRing.current)}, ${keyRing.current.id},
              CASE WHEN ${status} = 'active' THEN now() END)`;
  }
}

/** The lock goes with the transaction. @returns whether it is held */
async function lock(queries: Queries, whenLocked: ChangeOptions['whenLocked']): Promise<boolean> {
  if (whenLocked === 'wait') {
    await queries.$executeRaw`SELECT pg_advisory_xact_lock(${SIGNING_KEY_LOCK})`;
    return true;
  }
  const [row] = await queries.$queryRaw<{ locked: boolean }[]>`
    SELECT pg_try_advisory_xact_lock(${SIGNING_KEY_LOCK}) AS locked`;
  return row?.locked ?? false;
}
