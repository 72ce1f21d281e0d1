/** What an access token that was never seen costs: the service's way, and the signature alone. */
import { createPublicKey, type KeyObject, randomUUID, verify } from 'node:crypto';
import { sessionIdOf, userIdOf } from '../ids.js';
import { built } from './built.js';
import { answerParent } from './parent.js';

const { createAccessTokens } = (await import(
  built('modules/tokens/access-tokens.js')
)) as typeof import('../../src/modules/tokens/access-tokens.js');
const { createKeyCodec } = (await import(
  built('modules/tokens/key-codec.js')
)) as typeof import('../../src/modules/tokens/key-codec.js');
const { generateSigningKey, publicPem } = (await import(
  built('modules/tokens/signing-key.js')
)) as typeof import('../../src/modules/tokens/signing-key.js');

const issuer = 'https://auth.example.com';
const key = await generateSigningKey(randomUUID(), 'ES256');
const loaded = { ...(await createKeyCodec(key, { issuer, audience: issuer })), kid: key.kid, algorithm: key.algorithm };
const clock = { now: () => Date.now() };
const publicKey: KeyObject = createPublicKey(publicPem(key));

const keys = { active: () => loaded, find: () => loaded, departures: () => 0 } as unknown as Parameters<
  typeof createAccessTokens
>[0]['keys'];
const fresh = () => createAccessTokens({ keys, clock, issuer, audience: issuer, lifetimeSeconds: 3_600 });

const issued = fresh();
const tokens = Array.from({ length: 5_000 }, (_, index) => {
  const now = new Date();
  const request = { userId: userIdOf(index), sessionId: sessionIdOf(index), generation: 1, amr: ['pwd'], now };
  const sessionExpiresAt = new Date(now.getTime() + 86_400_000);
  return issued.issue({ ...request, authenticatedAt: now, sessionExpiresAt }).token;
});

answerParent({
  /** @returns tokens a second, none of which was seen before */
  async service(): Promise<number> {
    const { recall, verify: check } = fresh();
    const startedAt = performance.now();
    for (const token of tokens) recall(token) ?? (await check(token));
    return tokens.length / ((performance.now() - startedAt) / 1_000);
  },
  /** @returns signatures a second; what is signed and the signature are bytes already */
  alone(): number {
    const parts = tokens.map((token) => {
      const end = token.lastIndexOf('.');
      return { signed: Buffer.from(token.slice(0, end)), signature: Buffer.from(token.slice(end + 1), 'base64url') };
    });
    const startedAt = performance.now();
    for (const { signed, signature } of parts) {
      if (!verify('sha256', signed, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature))
        throw new Error('Not signed.');
    }
    return parts.length / ((performance.now() - startedAt) / 1_000);
  },
});
