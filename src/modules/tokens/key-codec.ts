import fastifyJwt from '@fastify/jwt';
import Fastify from 'fastify';
import { type PublicKey, privatePem, publicPem, type SigningKey } from './signing-key.js';

/** Signs and verifies with one key. */
export type KeyCodec = {
  /** @throws for a key whose private half was not given */
  sign: (claims: object) => string;
  /** @throws when the token was not signed by this key, or is not for this issuer, audience and type */
  verify: (token: string) => unknown;
};

/**
 * One signer and one verifier for one key, made once: making them parses the key, which takes longer than signing.
 *
 * `@fastify/jwt` is given its key when it is registered, and ours come and go while the service runs; so each key has
 * a bare Fastify instance of its own to carry the plugin. Everything that can be pinned is pinned: the algorithm is the
 * key's own, never the token's (RFC 8725 §3.1).
 */
export async function createKeyCodec(
  key: SigningKey | PublicKey,
  { issuer, audience }: { issuer: string; audience: string },
): Promise<KeyCodec> {
  const carrier = Fastify();
  await carrier.register(fastifyJwt, {
    secret: { public: publicPem(key), ...('privateKey' in key ? { private: privatePem(key) } : {}) },
    sign: { algorithm: key.algorithm, kid: key.kid, header: { alg: key.algorithm, typ: 'at+jwt' } },
    verify: {
      algorithms: [key.algorithm],
      allowedIss: issuer,
      allowedAud: audience,
      checkTyp: 'at+jwt',
      requiredClaims: ['iss', 'aud', 'exp'],
      // Whether it has expired is asked at every use, not only at the first, and by the database's clock: see verifier.
      ignoreExpiration: true,
      cache: false,
    },
  });
  await carrier.ready();
  return {
    sign: (claims) => carrier.jwt.sign(claims),
    verify: (token) => carrier.jwt.verify(token),
  };
}
