import { randomBytes } from 'node:crypto';
import { decodeProtectedHeader } from 'jose';
import { expect, test } from 'vitest';
import { openDatabase } from '../../src/database/database.js';
import { createSigningKeyRepository } from '../../src/modules/tokens/signing-key-repository.js';
import { createSigningKeys } from '../../src/modules/tokens/signing-keys.js';
import { createKeyRing } from '../../src/shared/key-ring.js';
import { freshDatabaseUrl } from '../support/database.js';
import { withClient } from '../support/postgres.js';
import { buildTestApp, getMe, register, TEST_SECRET } from '../support/test-app.js';

function algorithmOf({ accessToken }: { accessToken: string }): unknown {
  return decodeProtectedHeader(accessToken).alg;
}

test('makes one active and one next key when many instances start at once on an empty database', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const instances = await Promise.all(Array.from({ length: 5 }, () => buildTestApp({ DATABASE_URL })));
  const { rows } = await withClient(DATABASE_URL, (client) =>
    client.query('SELECT status FROM signing_keys ORDER BY 1'),
  );
  expect(rows).toEqual([{ status: 'active' }, { status: 'next' }]);

  const [first, second] = instances;
  const person = await register(first?.app ?? expect.unreachable());
  expect((await getMe(second?.app ?? expect.unreachable(), person.accessToken)).statusCode).toBe(200);
});

test('keeps the private half encrypted, bound to its kid', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  await buildTestApp({ DATABASE_URL });
  const { rows } = await withClient(DATABASE_URL, (client) => client.query('SELECT * FROM signing_keys'));
  const [row] = rows;
  expect(Object.keys(row.public_jwk).sort()).toEqual(['crv', 'kty', 'x', 'y']);
  // Neither PKCS #8's identifier of a P-256 key nor a JWK or PEM can be read in what is stored.
  expect(row.encrypted_private_key.includes(Buffer.from('2a8648ce3d030107', 'hex'))).toBe(false);
  expect(row.encrypted_private_key.toString('latin1')).not.toMatch(/PRIVATE|"d"/);

  // Under another kid the same bytes are refused.
  await withClient(DATABASE_URL, (client) => client.query('UPDATE signing_keys SET id = gen_random_uuid()'));
  await expect(buildTestApp({ DATABASE_URL })).rejects.toThrow();
});

test('says which secret is missing when a key cannot be decrypted', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  await buildTestApp({ DATABASE_URL });
  const APP_SECRETS = randomBytes(32).fill('the other secret', 0, 16).toString('base64url');
  await expect(buildTestApp({ DATABASE_URL, APP_SECRETS })).rejects.toThrow(/APP_SECRETS no longer lists/);
  const both = await buildTestApp({ DATABASE_URL, APP_SECRETS: `${APP_SECRETS},${TEST_SECRET}` });
  await register(both.app);
});

test('publishes a key of another algorithm before it signs, and still verifies what the old one signed', async () => {
  const DATABASE_URL = await freshDatabaseUrl({ migrated: true });
  const before = await buildTestApp({ DATABASE_URL });
  const person = await register(before.app);
  const publishing = await buildTestApp({ DATABASE_URL, SIGNING_ALGORITHM: 'EdDSA' });
  expect(algorithmOf(await register(publishing.app))).toBe('ES256');

  // Once it has been published long enough, the next look at the schedule lets it sign.
  await withClient(DATABASE_URL, (client) =>
    client.query("UPDATE signing_keys SET created_at = now() - interval '6 minutes' WHERE status = 'next'"),
  );
  const after = await buildTestApp({ DATABASE_URL, SIGNING_ALGORITHM: 'EdDSA' });
  expect((await getMe(after.app, person.accessToken)).statusCode).toBe(200);

  const newcomer = await register(after.app);
  expect(algorithmOf(newcomer)).toBe('EdDSA');
  expect((await getMe(before.app, newcomer.accessToken)).statusCode).toBe(200);
  const { keys } = (await after.app.inject('/.well-known/jwks.json')).json();
  expect(keys.map(({ alg }: { alg: string }) => alg).sort()).toEqual(['ES256', 'EdDSA', 'EdDSA']);
});

test('asks the database about unknown kids at most once in a few seconds', async () => {
  const database = openDatabase({
    url: await freshDatabaseUrl({ migrated: true }),
    poolSize: 2,
    log: { warn: () => {} },
  });
  const repository = createSigningKeyRepository(database, createKeyRing([Buffer.from(TEST_SECRET, 'base64url')]));
  let questions = 0;
  const list = () => {
    questions += 1;
    return repository.list();
  };
  const keys = createSigningKeys({ repository: { list }, issuer: 'x', audience: 'x' });
  await keys.reload();
  expect(questions).toBe(1);
  const lookUps = Array.from({ length: 500 }, () => keys.findOrLookUp(crypto.randomUUID()));
  expect(new Set(await Promise.all(lookUps))).toEqual(new Set([undefined]));
  expect(questions).toBe(2);
  await database.$disconnect();
});
