import type { JsonWebKey } from 'node:crypto';
import { createKeyCodec, type KeyCodec } from './key-codec.js';
import type { SigningAlgorithm } from './signing-key.js';
import type { SigningKeyRepository } from './signing-key-repository.js';

export type LoadedKey = KeyCodec & { kid: string; algorithm: SigningAlgorithm };

export type SigningKeys = ReturnType<typeof createSigningKeys>;

/** How long an unknown kid is not looked up again: forged kids must not become queries. */
const LOOK_UP_PAUSE_MS = 5_000;

type SigningKeysOptions = {
  repository: SigningKeyRepository;
  algorithm: SigningAlgorithm;
  issuer: string;
  audience: string;
};

/** The signing keys in memory: one signs, all of them verify. */
export function createSigningKeys({ repository, algorithm, issuer, audience }: SigningKeysOptions) {
  let byKid = new Map<string, LoadedKey>();
  let active: LoadedKey | undefined;
  let jwks: { keys: JsonWebKey[] } = { keys: [] };
  let lookedUpAt = Number.NEGATIVE_INFINITY;
  let lookUp: Promise<void> | undefined;

  return {
    /** Makes the first key if there is none, and loads all of them. */
    async load(): Promise<void> {
      await repository.ensureActive(algorithm);
      await reload();
    },

    /** The key that signs now. @throws before `load` */
    active(): LoadedKey {
      if (active === undefined) throw new Error('The signing keys are not loaded.');
      return active;
    },

    find: (kid: string): LoadedKey | undefined => byKid.get(kid),

    /** As `find`, but asks the database for a kid that is new to this instance: at most once in a few seconds. */
    async findOrLookUp(kid: string): Promise<LoadedKey | undefined> {
      if (!byKid.has(kid) && performance.now() - lookedUpAt > LOOK_UP_PAUSE_MS) {
        lookedUpAt = performance.now();
        lookUp = reload();
      }
      await lookUp;
      return byKid.get(kid);
    },

    /** The public halves (RFC 7517 §5). */
    jwks: () => jwks,
  };

  async function reload(): Promise<void> {
    const stored = await repository.list();
    const next = new Map<string, LoadedKey>();
    for (const key of stored) {
      const codec = byKid.get(key.kid) ?? (await createKeyCodec(key, { issuer, audience }));
      next.set(key.kid, { kid: key.kid, algorithm: key.algorithm, sign: codec.sign, verify: codec.verify });
    }
    byKid = next;
    active = next.get(stored.find((key) => key.status === 'active')?.kid ?? '');
    jwks = {
      keys: stored.map((key) => ({ ...key.publicJwk, kid: key.kid, alg: key.algorithm, use: 'sig' })),
    };
  }
}
