import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ConfigError, loadConfig, loadKeysConfig, loadMigrationUrl } from '../../src/config.js';

const SECRET = randomBytes(32).toString('base64url');
const MINIMUM = {
  DATABASE_URL: 'postgresql://user:password@localhost/gatehouse',
  APP_SECRETS: SECRET,
  ISSUER_URL: 'https://auth.example.com',
};

function faultsOf(environment: NodeJS.ProcessEnv): string[] {
  try {
    loadConfig(environment);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
}

test('needs no more than a database, a secret and an issuer, and has the documented defaults', () => {
  expect(loadConfig(MINIMUM)).toMatchObject({
    host: '127.0.0.1',
    port: 3000,
    databaseDirectUrl: MINIMUM.DATABASE_URL,
    databasePoolSize: 10,
    migrateOnStart: false,
    audience: 'https://auth.example.com',
    signingAlgorithm: 'ES256',
    allowedOrigins: [],
    cookieSecure: true,
    cookieSameSite: 'strict',
    accessTokenSeconds: 600,
    refreshIdleSeconds: 1_209_600,
    refreshAbsoluteSeconds: 7_776_000,
    refreshGraceSeconds: 10,
    bcryptCost: 12,
    passwordMinLength: 8,
    trustedProxies: [],
    rateLimitPerMinute: 600,
    rateLimitCredentialsPerMinute: 30,
    docsEnabled: true,
    playgroundEnabled: false,
    simulatedFaultsEnabled: false,
    logLevel: 'info',
  });
});

test('lists every fault at once', () => {
  const faults = faultsOf({ PORT: 'many', COOKIE_SAME_SITE: 'sometimes', ALLOWED_ORIGINS: '*', APP_SECRETS: 'short' });
  const named = ['DATABASE_URL', 'ISSUER_URL', 'PORT', 'COOKIE_SAME_SITE', 'ALLOWED_ORIGINS', 'APP_SECRETS'];
  for (const name of named) expect(faults.some((fault) => fault.startsWith(name))).toBe(true);
  expect(faults).toHaveLength(named.length);
});

test('treats an empty variable as not set', () => {
  expect(loadConfig({ ...MINIMUM, PORT: '', AUDIENCE: '' })).toMatchObject({
    port: 3000,
    audience: MINIMUM.ISSUER_URL,
  });
  expect(faultsOf({ ...MINIMUM, APP_SECRETS: '' })[0]).toMatch(/^APP_SECRETS is not set/);
});

describe('refuses', () => {
  const nearlyConstant = Buffer.alloc(32, 'abcd').toString('base64url');
  test.each([
    ['no database', { DATABASE_URL: undefined }, /^DATABASE_URL is not set/],
    ['no secret', { APP_SECRETS: undefined }, /^APP_SECRETS is not set/],
    ['no issuer', { ISSUER_URL: undefined }, /^ISSUER_URL is not set/],
    ['another database', { DATABASE_URL: 'mysql://localhost/x' }, /^DATABASE_URL/],
    ['a short secret', { APP_SECRETS: 'c2hvcnQ' }, /shorter than 32 bytes/],
    ['a secret of few values', { APP_SECRETS: nearlyConstant }, /not random/],
    ['a secret that is not base64url', { APP_SECRETS: 'correct horse battery staple and more' }, /not base64url/],
    ['a weak secret behind a good one', { APP_SECRETS: `${SECRET},short` }, /secret 2/],
    ['the same secret twice', { APP_SECRETS: `${SECRET},${SECRET}` }, /cannot be told apart/],
    ['an insecure cookie under https', { COOKIE_SECURE: 'false' }, /^COOKIE_SECURE=false/],
    [
      'SameSite=none without a secure cookie',
      { COOKIE_SECURE: 'false', COOKIE_SAME_SITE: 'none', ISSUER_URL: 'http://localhost:3000' },
      /^COOKIE_SAME_SITE=none/,
    ],
    ['a wildcard origin', { ALLOWED_ORIGINS: '*' }, /^ALLOWED_ORIGINS/],
    ['a wildcard subdomain', { ALLOWED_ORIGINS: 'https://*.example.com' }, /^ALLOWED_ORIGINS/],
    ['an origin with a path', { ALLOWED_ORIGINS: 'https://app.example.com/x' }, /^ALLOWED_ORIGINS/],
    ['the origin null', { ALLOWED_ORIGINS: 'null' }, /^ALLOWED_ORIGINS/],
    ['an issuer with a slash at its end', { ISSUER_URL: 'https://auth.example.com/' }, /^ISSUER_URL/],
    ['an issuer of another scheme', { ISSUER_URL: 'ftp://auth.example.com' }, /^ISSUER_URL/],
    ['a proxy that is no address', { TRUSTED_PROXIES: 'proxy.internal' }, /^TRUSTED_PROXIES/],
    ['a proxy range that is none', { TRUSTED_PROXIES: '10.0.0.0/33' }, /^TRUSTED_PROXIES/],
    ['an idle time below the access lifetime', { REFRESH_IDLE_SECONDS: '300' }, /^REFRESH_IDLE_SECONDS/],
    ['an absolute end before the idle one', { REFRESH_ABSOLUTE_SECONDS: '86400' }, /^REFRESH_ABSOLUTE_SECONDS/],
    ['a grace beyond a minute', { REFRESH_GRACE_SECONDS: '61' }, /^REFRESH_GRACE_SECONDS/],
    ['a number that is none', { BCRYPT_COST: '12abc' }, /^BCRYPT_COST/],
    ['a switch that is none', { DOCS_ENABLED: 'yes' }, /^DOCS_ENABLED/],
    ['an algorithm with a shared secret', { SIGNING_ALGORITHM: 'HS256' }, /^SIGNING_ALGORITHM/],
    ['simulated faults under https', { SIMULATED_FAULTS_ENABLED: 'true' }, /^SIMULATED_FAULTS_ENABLED/],
    [
      'simulated faults on another machine',
      { SIMULATED_FAULTS_ENABLED: 'true', ISSUER_URL: 'http://localhost.example.com' },
      /^SIMULATED_FAULTS_ENABLED/,
    ],
    ['what this version cannot do', { REQUIRE_VERIFIED_EMAIL: 'true' }, /^REQUIRE_VERIFIED_EMAIL/],
  ])('%s', (_name, change, fault) => {
    const faults = faultsOf({ ...MINIMUM, ...change });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(fault);
  });
});

test.each(['http://localhost:3000', 'http://127.0.0.1', 'http://[::1]:3000'])(
  'lets faults be simulated on this machine: %s',
  (ISSUER_URL) => {
    const environment = { ...MINIMUM, ISSUER_URL, SIMULATED_FAULTS_ENABLED: 'true' };
    expect(loadConfig(environment).simulatedFaultsEnabled).toBe(true);
  },
);

test('never shows a secret or a password in a fault', () => {
  const faults = faultsOf({ ...MINIMUM, APP_SECRETS: 'canary-secret', DATABASE_URL: 'mysql://u:canary-password@h/d' });
  expect(faults).toHaveLength(2);
  expect(faults.join()).not.toContain('canary');
});

test('reads lists with spaces, and both kinds of proxies', () => {
  const config = loadConfig({
    ...MINIMUM,
    ALLOWED_ORIGINS: 'https://app.example.com, http://localhost:5173',
    TRUSTED_PROXIES: '10.0.0.0/8, 2001:db8::1',
  });
  expect(config.allowedOrigins).toEqual(['https://app.example.com', 'http://localhost:5173']);
  expect(config.trustedProxies).toEqual(['10.0.0.0/8', '2001:db8::1']);
});

test('asks for nothing but the database to migrate, and takes the direct connection if there is one', () => {
  const { DATABASE_URL } = MINIMUM;
  expect(loadMigrationUrl({ DATABASE_URL })).toBe(DATABASE_URL);
  const DATABASE_DIRECT_URL = 'postgresql://direct/gatehouse';
  expect(loadMigrationUrl({ DATABASE_URL, DATABASE_DIRECT_URL })).toBe(DATABASE_DIRECT_URL);
  expect(() => loadMigrationUrl({})).toThrow(/DATABASE_URL is not set/);
  expect(() => loadMigrationUrl({ DATABASE_URL: 'mysql://x' })).toThrow(/DATABASE_URL/);
});

test('asks for the database and the secrets to work on stored keys, and for nothing else', () => {
  const { DATABASE_URL, APP_SECRETS } = MINIMUM;
  const { databaseUrl, appSecrets } = loadKeysConfig({ DATABASE_URL, APP_SECRETS });
  expect(databaseUrl).toBe(DATABASE_URL);
  expect(appSecrets).toEqual([Buffer.from(APP_SECRETS, 'base64url')]);
  expect(() => loadKeysConfig({})).toThrow(/2 faults.*DATABASE_URL is not set.*APP_SECRETS is not set/s);
  expect(() => loadKeysConfig({ DATABASE_URL, APP_SECRETS: 'short' })).toThrow(/shorter than 32 bytes/);
});
