import { createPublicKey } from 'node:crypto';
import { expect, test } from 'vitest';
import { generateSigningKey } from '../../src/modules/tokens/signing-key.js';

/** NIST SP 800-57 part 1, table 2. */
test.each([
  ['RS256', { modulusLength: 3072, publicExponent: 65_537n }],
  ['ES256', { namedCurve: 'prime256v1' }],
  ['EdDSA', {}],
] as const)('makes keys of 128 bits of strength for %s', async (algorithm, details) => {
  const { publicJwk } = await generateSigningKey('a kid', algorithm);
  const key = createPublicKey({ key: publicJwk, format: 'jwk' });
  expect(key.asymmetricKeyType).toBe({ RS256: 'rsa', ES256: 'ec', EdDSA: 'ed25519' }[algorithm]);
  expect(key.asymmetricKeyDetails).toEqual(details);
});
