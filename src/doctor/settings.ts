import type { Environment } from '../config-schema.js';
import { type Check, failed, ok, okUnless, skipped, warning } from './check.js';

/** What the configuration says, as far as it could be read. */
export type Given = Partial<Environment>;

/** What is wrong with settings that the service would start with. A pure function of them. */
export function judgeSettings(given: Given): Check[] {
  return [
    ...judgeIssuer(given),
    ...judgeCookies(given),
    ...judgeOrigins(given),
    ...judgeProxies(given),
    ...judgeRest(given),
  ];
}

function judgeIssuer({ ISSUER_URL: issuer }: Given): Check[] {
  if (issuer === undefined || !URL.canParse(issuer)) return [skipped('issuer', 'ISSUER_URL could not be read.')];
  if (new URL(issuer).protocol === 'https:') return [ok('issuer', `The service is known as ${issuer}.`)];
  if (isLoopback(issuer)) {
    return [ok('issuer', `The service is known as ${issuer}, which is right for development alone.`)];
  }
  return [
    failed(
      'issuer',
      `ISSUER_URL is ${issuer}: passwords and tokens would travel in the clear.`,
      'Put something that ends TLS in front, and set ISSUER_URL to the https origin that people see.',
    ),
  ];
}

function judgeCookies({
  ISSUER_URL: issuer = '',
  COOKIE_SECURE: secure,
  COOKIE_SAME_SITE: sameSite,
  ...given
}: Given): Check[] {
  const faults: Check[] = [];
  if (secure === true && issuer.startsWith('http:')) {
    const text = 'Browsers drop the refresh cookie: COOKIE_SECURE is true, and ISSUER_URL is plain http.';
    faults.push(
      isLoopback(issuer)
        ? warning('cookies', text, 'Set COOKIE_SECURE=false while you develop on plain http.')
        : failed('cookies', text, 'Use https; COOKIE_SECURE=false is for development alone.'),
    );
  }
  const elsewhere = originsOf(given).filter((origin) => !isSameSite(origin, issuer));
  if (elsewhere.length > 0 && sameSite !== 'none') {
    faults.push(
      warning(
        'cookies',
        `Pages of ${elsewhere.join(', ')} are on another site than ${issuer}: browsers send them no cookie with COOKIE_SAME_SITE=${sameSite}, so nobody stays signed in there.`,
        'Serve Gatehouse under the app’s own origin by a reverse proxy, which is the sturdier way, or set COOKIE_SAME_SITE=none.',
      ),
    );
  }
  if (sameSite === 'none' && elsewhere.length === 0) {
    faults.push(
      warning(
        'cookies',
        'COOKIE_SAME_SITE=none, and no page of another site is in ALLOWED_ORIGINS: the cookie goes to more places than it must.',
        'Set COOKIE_SAME_SITE=strict.',
      ),
    );
  }
  return okUnless(faults, ok('cookies', 'The refresh cookie reaches the service, and pages of the same site alone.'));
}

function judgeOrigins(given: Given): Check[] {
  const plain = originsOf(given).filter((origin) => origin.startsWith('http:') && !isLoopback(origin));
  const local = originsOf(given).filter((origin) => isLoopback(origin) && given.ISSUER_URL?.startsWith('https:'));
  const faults: Check[] = [];
  if (plain.length > 0) {
    faults.push(
      failed(
        'cors',
        `ALLOWED_ORIGINS trusts ${plain.join(', ')}, which anybody on the way can pretend to be.`,
        'List https origins alone.',
      ),
    );
  }
  if (local.length > 0) {
    faults.push(
      warning(
        'cors',
        `ALLOWED_ORIGINS trusts ${local.join(', ')}: whatever runs there on anybody’s machine may call this service with their cookie.`,
        'Take it out in production.',
      ),
    );
  }
  return okUnless(faults, ok('cors', `${originsOf(given).length} other origins may call the service.`));
}

function judgeProxies({ TRUSTED_PROXIES: list = '', ISSUER_URL: issuer = '', HOST: host = '' }: Given): Check[] {
  const proxies = list
    .split(',')
    .map((proxy) => proxy.trim())
    .filter(Boolean);
  const wide = proxies.filter((proxy) => Number(proxy.split('/')[1] ?? 128) < (proxy.includes(':') ? 16 : 8));
  if (wide.length > 0) {
    return [
      failed(
        'proxies',
        `TRUSTED_PROXIES has ${wide.join(', ')}: nearly anybody may say what address they have, and pass every limit that counts addresses.`,
        'Name the addresses of your own proxies alone.',
      ),
    ];
  }
  if (proxies.length > 0) return [ok('proxies', `X-Forwarded-For is believed from ${proxies.join(', ')}.`)];
  if (issuer.startsWith('https:')) {
    return [
      warning(
        'proxies',
        `Something ends TLS in front of ${host}, and TRUSTED_PROXIES names nobody: all people look like one address, and share one limit.`,
        'Set TRUSTED_PROXIES to the address or range of what stands in front.',
      ),
    ];
  }
  return [ok('proxies', 'No proxy is trusted.')];
}

function judgeRest(given: Given): Check[] {
  const faults: Check[] = [];
  if (given.METRICS_PORT !== undefined && given.METRICS_PORT === given.PORT) {
    faults.push(
      failed('ports', `PORT and METRICS_PORT are both ${given.PORT}.`, 'Give METRICS_PORT another one, such as 9464.'),
    );
  }
  if (given.REFRESH_GRACE_SECONDS === 0) {
    faults.push(
      warning(
        'lifetimes',
        'REFRESH_GRACE_SECONDS is 0: two tabs that refresh at once can sign a person out.',
        'Leave it at 10, which costs little: what a thief gains is ten seconds.',
      ),
    );
  }
  if (given.REFRESH_RECOVERY_SECONDS === 0) {
    faults.push(
      warning(
        'lifetimes',
        'REFRESH_RECOVERY_SECONDS is 0: a phone that loses an answer signs its owner out.',
        'Leave it at 86400; it ends as soon as the answer is used.',
      ),
    );
  }
  if (given.BCRYPT_COST !== undefined && given.BCRYPT_COST < 10) {
    faults.push(
      failed(
        'passwords',
        `BCRYPT_COST is ${given.BCRYPT_COST}: a stolen hash is guessed quickly.`,
        'Use 12; 10 at the least.',
      ),
    );
  }
  if (given.RATE_LIMIT_CREDENTIALS_PER_MINUTE === 0) {
    faults.push(
      warning(
        'limits',
        'RATE_LIMIT_CREDENTIALS_PER_MINUTE is 0: one address may try as many passwords as it likes.',
        'Leave it at 30, unless something in front limits.',
      ),
    );
  }
  for (const name of ['PLAYGROUND_ENABLED', 'SIMULATED_FAULTS_ENABLED'] as const) {
    if (given[name] === true && !isLoopback(given.ISSUER_URL ?? '')) {
      faults.push(warning('playground', `${name} is true: that is for trials.`, `Leave ${name} out in production.`));
    }
  }
  if (given.APP_URL?.startsWith('http:') && !isLoopback(given.APP_URL)) {
    faults.push(
      failed(
        'links',
        'APP_URL is plain http: tokens in mailed links would travel in the clear.',
        'Use the https address.',
      ),
    );
  }
  return okUnless(faults, ok('settings', 'Lifetimes, limits and ports are sound.'));
}

const originsOf = ({ ALLOWED_ORIGINS: list = '' }: Given) =>
  list
    .split(',')
    .map((origin) => origin.trim())
    .filter((origin) => URL.canParse(origin));

function isLoopback(origin: string): boolean {
  return URL.canParse(origin) && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(origin).hostname);
}

/** By the last two labels of the name: not exact for names such as co.uk, and enough for a hint. */
function isSameSite(one: string, other: string): boolean {
  if (!URL.canParse(one) || !URL.canParse(other)) return true;
  const site = (origin: string) => new URL(origin).hostname.split('.').slice(-2).join('.');
  return site(one) === site(other) && new URL(one).protocol === new URL(other).protocol;
}
