import { expect, test } from 'vitest';
import { run } from '../../support/processes.js';
import { ISSUER, TEST_SECRET } from '../../support/test-app.js';
import { type Broken, doctor, expectFound, healthy } from './support.js';

const base64url = (bytes: string | Uint8Array) => Buffer.from(bytes).toString('base64url');

const SETTINGS: Broken[] = [
  {
    what: 'a secret that somebody typed',
    environment: () => ({ APP_SECRETS: base64url('please leave this for later, thank you!') }),
    name: 'secrets',
    status: 'failed',
    remedy: /randomBytes/,
  },
  {
    what: 'a placeholder as a secret',
    environment: () => ({ APP_SECRETS: 'change-me-change-this-secret-before-production-x' }),
    name: 'secrets',
    status: 'failed',
    remedy: /randomBytes/,
  },
  {
    what: 'a secret of bytes in a row',
    environment: () => ({ APP_SECRETS: base64url(Uint8Array.from({ length: 32 }, (_, index) => index)) }),
    name: 'secrets',
    status: 'failed',
    remedy: /randomBytes/,
  },
  {
    what: 'an app on another site below the same co.uk',
    environment: () => ({ ISSUER_URL: 'https://auth.example.co.uk', ALLOWED_ORIGINS: 'https://app.other.co.uk' }),
    name: 'cookies',
    status: 'warning',
    remedy: /reverse proxy/,
  },
  {
    what: 'less kept than a session may rest',
    environment: () => ({ RETENTION_DAYS: '1' }),
    name: 'lifetimes',
    status: 'warning',
    remedy: /REFRESH_IDLE_SECONDS/,
  },
  {
    what: 'no settings at all',
    environment: () => ({ DATABASE_URL: '', APP_SECRETS: '', ISSUER_URL: '' }),
    name: 'configuration',
    status: 'failed',
    remedy: /variable that is named/,
  },
  {
    what: 'a secret that is too short',
    environment: () => ({ APP_SECRETS: 'c2hvcnQ' }),
    name: 'configuration',
    status: 'failed',
    remedy: /Mend/,
  },
  {
    what: 'a secret that is a pattern',
    environment: () => ({ APP_SECRETS: 'A'.repeat(43) }),
    name: 'configuration',
    status: 'failed',
    remedy: /Mend/,
  },
  {
    what: 'the same secret twice',
    environment: () => ({ APP_SECRETS: `${TEST_SECRET},${TEST_SECRET}` }),
    name: 'configuration',
    status: 'failed',
    remedy: /Mend/,
  },
  {
    what: 'a port that is no number',
    environment: () => ({ PORT: 'http' }),
    name: 'configuration',
    status: 'failed',
    remedy: /Mend/,
  },
  {
    what: 'a slash at the end of the issuer',
    environment: () => ({ ISSUER_URL: `${ISSUER}/` }),
    name: 'configuration',
    status: 'failed',
    remedy: /Mend/,
  },
  {
    what: 'a wildcard among the origins',
    environment: () => ({ ALLOWED_ORIGINS: 'https://*.example.test' }),
    name: 'configuration',
    status: 'failed',
    remedy: /Mend/,
  },
  {
    what: 'a path among the origins',
    environment: () => ({ ALLOWED_ORIGINS: 'https://app.example.test/login' }),
    name: 'configuration',
    status: 'failed',
    remedy: /Mend/,
  },
  {
    what: 'mail without a sender',
    environment: () => ({ SMTP_URL: 'smtp://127.0.0.1:1' }),
    name: 'configuration',
    status: 'failed',
    remedy: /Mend/,
  },
  {
    what: 'an issuer on plain http',
    environment: () => ({ ISSUER_URL: 'http://auth.example.test' }),
    name: 'issuer',
    status: 'failed',
    remedy: /https/,
  },
  {
    what: 'secure cookies on plain http',
    environment: () => ({ ISSUER_URL: 'http://auth.example.test' }),
    name: 'cookies',
    status: 'failed',
    remedy: /https/,
  },
  {
    what: 'an app on another site',
    environment: () => ({ ALLOWED_ORIGINS: 'https://app.elsewhere.test' }),
    name: 'cookies',
    status: 'warning',
    remedy: /reverse proxy|COOKIE_SAME_SITE=none/,
  },
  {
    what: 'a cookie for all sites that none needs',
    environment: () => ({ COOKIE_SAME_SITE: 'none' }),
    name: 'cookies',
    status: 'warning',
    remedy: /strict/,
  },
  {
    what: 'a plain http origin',
    environment: () => ({ ALLOWED_ORIGINS: 'http://app.example.test' }),
    name: 'cors',
    status: 'failed',
    remedy: /https/,
  },
  {
    what: 'localhost among the origins of production',
    environment: () => ({ ALLOWED_ORIGINS: 'http://localhost:5173' }),
    name: 'cors',
    status: 'warning',
    remedy: /out in production/,
  },
  {
    what: 'everybody trusted as a proxy',
    environment: () => ({ TRUSTED_PROXIES: '0.0.0.0/0' }),
    name: 'proxies',
    status: 'failed',
    remedy: /your own proxies/,
  },
  {
    what: 'no proxy trusted behind https',
    environment: () => ({ TRUSTED_PROXIES: '' }),
    name: 'proxies',
    status: 'warning',
    remedy: /TRUSTED_PROXIES/,
  },
  {
    what: 'metrics on the port of the service',
    environment: () => ({ METRICS_PORT: '3000' }),
    name: 'ports',
    status: 'failed',
    remedy: /another/,
  },
  {
    what: 'no grace',
    environment: () => ({ REFRESH_GRACE_SECONDS: '0' }),
    name: 'lifetimes',
    status: 'warning',
    remedy: /10/,
  },
  {
    what: 'no recovery',
    environment: () => ({ REFRESH_RECOVERY_SECONDS: '0' }),
    name: 'lifetimes',
    status: 'warning',
    remedy: /86400/,
  },
  {
    what: 'a cost of tests',
    environment: () => ({ BCRYPT_COST: '4' }),
    name: 'passwords',
    status: 'failed',
    remedy: /12/,
  },
  {
    what: 'no limit on passwords',
    environment: () => ({ RATE_LIMIT_CREDENTIALS_PER_MINUTE: '0' }),
    name: 'limits',
    status: 'warning',
    remedy: /30/,
  },
  {
    what: 'more hashed at once than there are cores',
    environment: () => ({ HASH_CONCURRENCY: '200' }),
    name: 'hashing',
    status: 'warning',
    remedy: /HASH_CONCURRENCY/,
  },
];

test.each(SETTINGS)('says what is wrong with settings, and how to mend it: $what', expectFound);

test('--strict takes warnings for failures', async () => {
  expect((await doctor({ REFRESH_GRACE_SECONDS: '0' })).code).toBe(0);
  const { code, ok } = await doctor({ REFRESH_GRACE_SECONDS: '0' }, '--strict');
  expect([code, ok]).toEqual([1, false]);
});

test('prints a table for people, with the remedy under what is wrong', async () => {
  const running = run('src/cli.ts', ['doctor'], { ...(await healthy()), METRICS_PORT: '3000' });
  expect(await running.exit).toBe(1);
  expect(running.output()).toMatch(
    /^FAILED +ports +PORT and METRICS_PORT are both 3000\.\n +→ Give METRICS_PORT another one/m,
  );
  expect(running.output()).toMatch(/\d+ ok, \d+ warnings, 1 failed, \d+ skipped\n$/);
});

test('refuses what it does not know with code 2', async () => {
  const running = run('src/cli.ts', ['doctor', '--cure'], {});
  expect(await running.exit).toBe(2);
});
