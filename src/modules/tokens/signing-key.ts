import { createPrivateKey, createPublicKey, generateKeyPair, type JsonWebKey, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { DerivedKeys } from '../../shared/key-ring.js';
import { seal, unseal } from '../../shared/seal.js';
import type { SigningAlgorithm } from '../../shared/signing-algorithm.js';

/** One key pair, as it is worked with. */
export type SigningKey = {
  kid: string;
  algorithm: SigningAlgorithm;
  publicJwk: JsonWebKey;
  privateKey: KeyObject;
};

/** What it takes to verify. */
export type PublicKey = Omit<SigningKey, 'privateKey'>;

const generate = promisify(generateKeyPair);

export async function generateSigningKey(kid: string, algorithm: SigningAlgorithm): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateFor(algorithm);
  return { kid, algorithm, privateKey, publicJwk: publicKey.export({ format: 'jwk' }) };
}

function generateFor(algorithm: SigningAlgorithm) {
  switch (algorithm) {
    case 'ES256':
      return generate('ec', { namedCurve: 'P-256' });
    case 'EdDSA':
      return generate('ed25519');
    case 'RS256':
      // 128 bits of strength, as the others have (NIST SP 800-57 part 1, table 2).
      return generate('rsa', { modulusLength: 3072 });
  }
}

/** Encrypts the private half for storage, bound to its kid so that rows cannot be swapped. */
export function encryptPrivateKey(
  { kid, privateKey }: Pick<SigningKey, 'kid' | 'privateKey'>,
  keys: DerivedKeys,
): Buffer {
  return seal(privateKey.export({ type: 'pkcs8', format: 'der' }), keys.signingKeyEncryption, kid);
}

/** @throws when the bytes were changed, belong to another kid or were encrypted under another secret */
export function decryptPrivateKey(kid: string, stored: Uint8Array, keys: DerivedKeys): KeyObject {
  return createPrivateKey({ key: unseal(stored, keys.signingKeyEncryption, kid), type: 'pkcs8', format: 'der' });
}

/** The form that the JWT library takes. */
export function privatePem({ privateKey }: Pick<SigningKey, 'privateKey'>): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** The form that the JWT library takes. */
export function publicPem({ publicJwk }: PublicKey): string {
  return createPublicKey({ key: publicJwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString();
}
