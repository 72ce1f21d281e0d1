import { expect, test } from 'vitest';
import { createAccessTokens } from '../../src/modules/tokens/access-tokens.js';
import { generateSigningKey } from '../../src/modules/tokens/signing-key.js';
import type { StoredSigningKey } from '../../src/modules/tokens/signing-key-repository.js';
import { createSigningKeys } from '../../src/modules/tokens/signing-keys.js';

const NAMES = { issuer: 'https://auth.example.test', audience: 'https://api.example.test' };
const NOW = new Date('2026-01-01T12:00:00.500Z');

async function stored(status: StoredSigningKey['status']): Promise<StoredSigningKey> {
  const key = await generateSigningKey(crypto.randomUUID(), 'ES256');
  const times = { createdAt: NOW, activatedAt: null, retiredAt: null, revokedAt: null };
  return { ...key, ...times, status, secretId: 1, decrypt: () => key };
}

async function build() {
  const clock = { time: NOW.getTime(), now: () => clock.time };
  let rows = [await stored('active'), await stored('next')];
  const asked = { times: 0 };
  const repository = {
    list: async () => {
      asked.times += 1;
      return rows;
    },
  };
  const keys = createSigningKeys({ repository, ...NAMES });
  await keys.reload();
  const tokens = createAccessTokens({ keys, clock, ...NAMES, lifetimeSeconds: 600 });
  const issue = (sessionExpiresAt = new Date(NOW.getTime() + 86_400_000)) =>
    tokens.issue({
      userId: crypto.randomUUID(),
      sessionId: crypto.randomUUID(),
      generation: 3,
      authenticatedAt: NOW,
      amr: ['pwd'],
      now: NOW,
      sessionExpiresAt,
    });
  const setRows = (next: StoredSigningKey[]) => {
    rows = next;
  };
  return { tokens, keys, clock, asked, issue, setRows, rows };
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'it passed',
    // Every refusal of a token is one that the challenge names (RFC 6750 §3.1).
    (error) => (error.options?.bearerError === 'invalid_token' ? error.code : String(error)),
  );

test('a token lives for the configured time, and never beyond its session', async () => {
  const { issue } = await build();
  expect(issue().expiresInSeconds).toBe(600);
  expect(issue(new Date(NOW.getTime() + 60_000)).expiresInSeconds).toBe(60);
});

test('a token is good until the very second in which it expires', async () => {
  const { tokens, clock, issue } = await build();
  const { token } = issue();
  const claims = await tokens.verify(token);
  expect(claims).toMatchObject({
    gen: 3,
    iat: 1_767_268_800,
    exp: 1_767_269_400,
    auth_time: 1_767_268_800,
    amr: ['pwd'],
  });
  expect(tokens.recall(token)).toBe(claims);
  clock.time = claims.exp * 1000 - 1;
  expect(tokens.recall(token)).toBe(claims);
  clock.time += 1;
  expect(tokens.recall(token)).toBeUndefined();
  expect(await codeOf(tokens.verify(token))).toBe('access_token_expired');
  expect(await tokens.verifyEvenExpired(token)).toEqual(claims);
});

test('what was verified is forgotten when a key goes, and what its key signed is refused', async () => {
  const { tokens, keys, issue, setRows, rows } = await build();
  const { token } = issue();
  await tokens.verify(token);
  setRows(rows.map((row) => (row.status === 'active' ? { ...row, status: 'revoked' } : { ...row, status: 'active' })));
  await keys.reload();
  expect(tokens.recall(token)).toBeUndefined();
  expect(await codeOf(tokens.verify(token))).toBe('access_token_invalid');
  const { token: another } = issue();
  const claims = await tokens.verify(another);
  expect(tokens.recall(another)).toBe(claims);
});

test('what is no token of ours is refused: not spelled right, no header, another algorithm, claims that are not ours', async () => {
  const { tokens, issue, keys } = await build();
  const { token } = issue();
  const [header = '', payload = '', signature = ''] = token.split('.');
  const other = Buffer.from(
    JSON.stringify({ ...JSON.parse(Buffer.from(header, 'base64url').toString()), alg: 'EdDSA' }),
  ).toString('base64url');
  const tampered = Buffer.from(payload, 'base64url').toString().replace('"gen":3', '"gen":4');
  const foreign = keys.active().sign({ iss: NAMES.issuer, aud: NAMES.audience, exp: 9_999_999_999 } as never);
  for (const bad of [
    '',
    'a.b.c',
    `${header}.${payload}`,
    `${token}.`,
    `${other}.${payload}.${signature}`,
    `${header}.${Buffer.from(tampered).toString('base64url')}.${signature}`,
    foreign,
  ]) {
    expect(await codeOf(tokens.verify(bad)), bad).toBe('access_token_invalid');
    expect(tokens.recall(bad)).toBeUndefined();
  }
});

test('a token whose key went while it was verified is not remembered', async () => {
  const { keys, clock, issue } = await build();
  const { token } = issue();
  let departures = 0;
  const changing = {
    ...keys,
    departures: () => departures,
    find(kid: string) {
      departures += 1;
      return keys.find(kid);
    },
  };
  const tokens = createAccessTokens({ keys: changing, clock, ...NAMES, lifetimeSeconds: 600 });
  await tokens.verify(token);
  expect(tokens.recall(token)).toBeUndefined();
});

test('a key that this instance does not know is asked for, once in a while', async () => {
  const { tokens, issue, asked } = await build();
  const [header = '', ...rest] = issue().token.split('.');
  const named = JSON.parse(Buffer.from(header, 'base64url').toString());
  const renamed = Buffer.from(JSON.stringify({ ...named, kid: crypto.randomUUID() })).toString('base64url');
  const before = asked.times;
  expect(await codeOf(tokens.verify([renamed, ...rest].join('.')))).toBe('access_token_invalid');
  expect(await codeOf(tokens.verify([renamed, ...rest].join('.')))).toBe('access_token_invalid');
  expect(asked.times).toBe(before + 1);
});

test('a token by a key that came since is good at once', async () => {
  const { tokens, clock, rows, setRows } = await build();
  const fresh = await stored('active');
  const elsewhere = createSigningKeys({ repository: { list: async () => [fresh] }, ...NAMES });
  await elsewhere.reload();
  const { token } = createAccessTokens({ keys: elsewhere, clock, ...NAMES, lifetimeSeconds: 600 }).issue({
    userId: crypto.randomUUID(),
    sessionId: crypto.randomUUID(),
    generation: 1,
    authenticatedAt: NOW,
    amr: ['pwd'],
    now: NOW,
    sessionExpiresAt: new Date(NOW.getTime() + 86_400_000),
  });
  setRows([fresh, ...rows.map((row) => ({ ...row, status: 'retired' as const }))]);
  expect((await tokens.verify(token)).gen).toBe(1);
});

test('nobody signs before the keys are loaded', () => {
  const keys = createSigningKeys({ repository: { list: async () => [] }, ...NAMES });
  expect(() => keys.active()).toThrow('not loaded');
});

test('a database that cannot be asked for an unknown key is told as such', async () => {
  const keys = createSigningKeys({ repository: { list: () => Promise.reject(new Error('away')) }, ...NAMES });
  await expect(keys.findOrLookUp('x')).rejects.toThrow('away');
});
