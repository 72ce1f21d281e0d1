import type { JsonWebKey } from 'node:crypto';
import type { SigningAlgorithm } from '../../shared/signing-algorithm.js';
import { createKeyCodec, type KeyCodec } from './key-codec.js';
import type { SigningKeyRepository, StoredSigningKey } from './signing-key-repository.js';

export type LoadedKey = KeyCodec & { kid: string; algorithm: SigningAlgorithm };

export type SigningKeys = ReturnType<typeof createSigningKeys>;

/** How long an unknown kid is not looked up again: forged kids must not become queries. */
const LOOK_UP_PAUSE_MS = 5_000;

type SigningKeysOptions = {
  repository: Pick<SigningKeyRepository, 'list'>;
  issuer: string;
  audience: string;
};

/** The signing keys in memory: one signs, all of them verify. */
export function createSigningKeys({ repository, issuer, audience }: SigningKeysOptions) {
  let byKid = new Map<string, LoadedKey>();
  let active: LoadedKey | undefined;
  let jwks: { keys: JsonWebKey[] } = { keys: [] };
  let departures = 0;
  let lookedUpAt = Number.NEGATIVE_INFINITY;
  let lookUp: Promise<void> | undefined;
  let last: Promise<void> = Promise.resolve();
  let waiting: Promise<void> | undefined;

  return {
    reload,

    /** The key that signs now. @throws before the first `reload` */
    active(): LoadedKey {
      if (active === undefined) throw new Error('The signing keys are not loaded.');
      return active;
    },

    find: (kid: string): LoadedKey | undefined => byKid.get(kid),

    /** As `find`, but asks the database for a kid that is new to this instance: at most once in a few seconds. */
    async findOrLookUp(kid: string): Promise<LoadedKey | undefined> {
      if (!byKid.has(kid) && performance.now() - lookedUpAt > LOOK_UP_PAUSE_MS) {
        lookedUpAt = performance.now();
        lookUp = reload()
          .catch((error) => {
            // One key that cannot be read says nothing of the one that was asked for.
            if (!(error instanceof AggregateError)) throw error;
          })
          .finally(() => {
            lookUp = undefined;
          });
      }
      await lookUp;
      return byKid.get(kid);
    },

    /** The public halves (RFC 7517 §5) of all keys but the revoked. */
    jwks: () => jwks,

    /** Grows whenever a key is gone: whatever was verified before must be verified anew. */
    departures: (): number => departures,
  };

  /**
   * Reads the keys again. One at a time and in order, so that an answer that was long on its way never brings back a
   * key that a later one took out; who asks while one is under way waits for the one after it.
   *
   * @throws when the database cannot be asked, or a key cannot be decrypted; all that could be read counts even then
   */
  function reload(): Promise<void> {
    waiting ??= last
      .catch(() => {})
      .then(() => {
        waiting = undefined;
        last = readAll();
        return last;
      });
    return waiting;
  }

  async function readAll(): Promise<void> {
    const living = (await repository.list()).filter(({ status }) => status !== 'revoked');
    const faults: unknown[] = [];
    const loaded = new Map<string, LoadedKey>();
    for (const key of living) {
      try {
        loaded.set(key.kid, byKid.get(key.kid) ?? (await load(key)));
      } catch (error) {
        // One key that cannot be read must not keep the others, or the end of one, from counting.
        faults.push(error);
      }
    }
    const gone = [...byKid.keys()].some((kid) => !loaded.has(kid));
    const signer = loaded.get(living.find(({ status }) => status === 'active')?.kid ?? '');

    // From here on without a pause: no request sees one half of it.
    byKid = loaded;
    // A new signer that cannot be read leaves it to the old one, which is retired but valid for a while.
    active = signer ?? loaded.get(active?.kid ?? '');
    jwks = {
      keys: living.map((key) => ({ ...key.publicJwk, kid: key.kid, alg: key.algorithm, use: 'sig' })),
    };
    if (gone) departures += 1;
    if (faults.length > 0) throw new AggregateError(faults, (faults[0] as Error).message);
  }

  /** Made once for each key, and kept across reloads. */
  async function load(key: StoredSigningKey): Promise<LoadedKey> {
    // What only verifies needs no private half, and so not the secret that it is encrypted under either.
    const needed = key.status === 'retired' ? key : key.decrypt();
    const { sign, verify } = await createKeyCodec(needed, { issuer, audience });
    return { kid: key.kid, algorithm: key.algorithm, sign, verify };
  }
}
