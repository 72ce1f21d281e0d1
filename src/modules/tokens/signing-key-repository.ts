import type { JsonWebKey } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { Database } from '../../database/database.js';
import type { KeyRing } from '../../shared/key-ring.js';
import {
  decryptPrivateKey,
  encryptPrivateKey,
  generateSigningKey,
  type SigningAlgorithm,
  type SigningKey,
} from './signing-key.js';

type SigningKeyStatus = 'active' | 'retired';
export type StoredSigningKey = SigningKey & { status: SigningKeyStatus };

export type SigningKeyRepository = ReturnType<typeof createSigningKeyRepository>;

/** Any number, as long as nothing else in this database locks the same one. */
const SIGNING_KEY_LOCK = 7_203_851_115;

/** Signing keys at rest: the private halves are encrypted under the current application secret. */
export function createSigningKeyRepository(database: Database, keyRing: KeyRing) {
  return {
    async list(): Promise<StoredSigningKey[]> {
      const rows = await database.signingKey.findMany({ orderBy: { createdAt: 'desc' } });
      return rows.map((row) => {
        const keys = keyRing.byId(row.secretId);
        if (keys === undefined) {
          throw new Error(
            `The signing key ${row.id} was encrypted under an application secret that APP_SECRETS no longer lists. Put that secret back (behind the first).`,
          );
        }
        return {
          kid: row.id,
          algorithm: row.algorithm as SigningAlgorithm,
          status: row.status as SigningKeyStatus,
          publicJwk: row.publicJwk as JsonWebKey,
          privateKey: decryptPrivateKey(row.id, row.encryptedPrivateKey, keys),
        };
      });
    },

    /**
     * Makes sure that one key of the given algorithm signs: does nothing where one does, and otherwise makes one and
     * retires what signed before. Any number of instances may start at once: under the lock, one of them makes it.
     */
    async ensureActive(algorithm: SigningAlgorithm): Promise<void> {
      if (await database.signingKey.findFirst({ where: { status: 'active', algorithm } })) return;
      // Made before the lock is taken: an RSA key takes a while, and no connection is held meanwhile.
      const key = await generateSigningKey(uuidv7(), algorithm);
      await database.$transaction(async (transaction) => {
        await transaction.$executeRaw`SELECT pg_advisory_xact_lock(${SIGNING_KEY_LOCK})`;
        if (await transaction.signingKey.findFirst({ where: { status: 'active', algorithm } })) return;
        await transaction.$executeRaw`
          UPDATE signing_keys SET status = 'retired', retired_at = now() WHERE status = 'active'`;
        await transaction.$executeRaw`
          INSERT INTO signing_keys (id, algorithm, status, public_jwk, encrypted_private_key, secret_id, activated_at)
          VALUES (${key.kid}::uuid, ${algorithm}, 'active', ${key.publicJwk}::jsonb,
                  ${encryptPrivateKey(key, keyRing.current)}, ${keyRing.current.id}, now())`;
      });
    },
  };
}
