import { isIP } from 'node:net';
import type { Environment } from './config-schema.js';
import { secretId } from './shared/key-ring.js';

/** What only two settings together, or a closer look at one, can tell. Says nothing of what is not there. */
export function crossFaults(given: Partial<Environment>): string[] {
  const faults: string[] = [];
  const need = (holds: boolean, fault: string) => holds || faults.push(fault);

  if (given.APP_SECRETS !== undefined) faults.push(...secretFaults(splitList(given.APP_SECRETS)));
  if (given.ISSUER_URL !== undefined) {
    const issuer = parseOrigin(given.ISSUER_URL);
    need(
      issuer !== null,
      'ISSUER_URL must be an origin: https://auth.example.com, with no path and no slash at its end.',
    );
    need(
      given.COOKIE_SECURE !== false || !given.ISSUER_URL.startsWith('https:'),
      'COOKIE_SECURE=false is for plain http, but ISSUER_URL is https. Leave COOKIE_SECURE out.',
    );
  }
  need(
    given.COOKIE_SECURE !== false || given.COOKIE_SAME_SITE !== 'none',
    'COOKIE_SAME_SITE=none needs COOKIE_SECURE=true: browsers drop the cookie otherwise.',
  );
  for (const origin of splitList(given.ALLOWED_ORIGINS ?? '')) {
    need(
      parseOrigin(origin) !== null,
      `ALLOWED_ORIGINS: "${origin}" is not an origin such as https://app.example.com. Wildcards are not taken; list each one.`,
    );
  }
  for (const proxy of splitList(given.TRUSTED_PROXIES ?? '')) {
    need(isAddressOrRange(proxy), `TRUSTED_PROXIES: "${proxy}" is neither an address nor a CIDR range.`);
  }
  need(
    given.SIMULATED_FAULTS_ENABLED !== true || given.ISSUER_URL === undefined || isLocal(given.ISSUER_URL),
    'SIMULATED_FAULTS_ENABLED=true lets anyone break the service, and is for this machine alone: ISSUER_URL must be http://localhost.',
  );
  faults.push(...mailFaults(given));
  const { ACCESS_TOKEN_SECONDS: access = 0, REFRESH_IDLE_SECONDS: idle, REFRESH_ABSOLUTE_SECONDS: absolute } = given;
  need(
    idle === undefined || idle > access,
    'REFRESH_IDLE_SECONDS must be greater than ACCESS_TOKEN_SECONDS: an app refreshes when its access token expires.',
  );
  need(
    idle === undefined || absolute === undefined || absolute >= idle,
    'REFRESH_ABSOLUTE_SECONDS must not be less than REFRESH_IDLE_SECONDS.',
  );
  return faults;
}

/** Whether a service at this origin can be reached from its own machine only, as far as its name tells. */
export function isLocal(issuer: string): boolean {
  return URL.canParse(issuer) && /^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:|$)/.test(issuer);
}

function mailFaults(given: Partial<Environment>): string[] {
  const faults: string[] = [];
  const need = (holds: boolean, fault: string) => holds || faults.push(fault);
  const { SMTP_URL: smtp, MAIL_FROM: from, APP_URL: app } = given;
  if (smtp !== undefined) {
    need(from !== undefined, 'MAIL_FROM is not set, but SMTP_URL is. Set it to a sender such as no-reply@example.com.');
    need(
      app !== undefined,
      'APP_URL is not set, but SMTP_URL is. Set it to the page of your app that reads links in mails.',
    );
    need(smtp === 'memory:' || URL.canParse(smtp), 'SMTP_URL must be smtp://user:password@host:port, or smtps://….');
    need(
      smtp !== 'memory:' || given.ISSUER_URL === undefined || isLocal(given.ISSUER_URL),
      'SMTP_URL=memory: shows every mail to everyone, and is for this machine alone: ISSUER_URL must be http://localhost.',
    );
  }
  need(
    from === undefined || /^[^<>@\r\n]*<[^<>@\s]+@[^<>@\s]+>$|^[^<>@\s]+@[^<>@\s]+$/.test(from),
    'MAIL_FROM must be an address, or a name and one: Example <no-reply@example.com>.',
  );
  need(
    app === undefined || (/^https?:\/\//.test(app) && URL.canParse(app) && !app.includes('#')),
    'APP_URL must be the address of a page, such as https://app.example.com/account, without a #.',
  );
  need(
    given.REQUIRE_VERIFIED_EMAIL !== true || smtp !== undefined,
    'REQUIRE_VERIFIED_EMAIL=true needs SMTP_URL: nobody could verify an address.',
  );
  return faults;
}

const MIN_SECRET_BYTES = 32;
/** 32 random bytes hold about 30 different values; fewer than this is a pattern or a word. */
const MIN_DIFFERENT_BYTES = 16;
const HOW_TO_MAKE_A_SECRET =
  "Make one with: node -e \"console.log(require('crypto').randomBytes(32).toString('base64url'))\"";

function secretFaults(secrets: string[]): string[] {
  if (secrets.length === 0) return [`APP_SECRETS holds no secret. ${HOW_TO_MAKE_A_SECRET}`];
  const faults = secrets.flatMap((secret, index) => {
    const name = `APP_SECRETS: secret ${index + 1}`;
    const bytes = Buffer.from(secret, 'base64url');
    if (!/^[A-Za-z0-9_-]+$/.test(secret)) return [`${name} is not base64url. ${HOW_TO_MAKE_A_SECRET}`];
    if (bytes.length < MIN_SECRET_BYTES) return [`${name} is shorter than 32 bytes. ${HOW_TO_MAKE_A_SECRET}`];
    if (new Set(bytes).size < MIN_DIFFERENT_BYTES) return [`${name} is not random. ${HOW_TO_MAKE_A_SECRET}`];
    return [];
  });
  const ids = secrets.map((secret) => secretId(Buffer.from(secret, 'base64url')));
  if (faults.length === 0 && new Set(ids).size < ids.length) {
    faults.push('APP_SECRETS: two of the secrets cannot be told apart. Make the newest one anew.');
  }
  return faults;
}

/** The entries of a comma-separated list. */
export function splitList(value: string): string[] {
  return value
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

function parseOrigin(value: string): URL | null {
  const url = URL.canParse(value) ? new URL(value) : null;
  return url !== null && /^https?:$/.test(url.protocol) && !url.hostname.includes('*') && url.origin === value
    ? url
    : null;
}

function isAddressOrRange(value: string): boolean {
  const [address = '', prefix, ...rest] = value.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128));
}
