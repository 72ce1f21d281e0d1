import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { envSchema } from 'env-schema';
import { Type } from 'typebox';
import { secretId } from './shared/key-ring.js';

const text = (options: Type.TStringOptions) => Type.String(options);
const flag = (value: boolean, description: string) => Type.Boolean({ default: value, description });
const whole = (minimum: number, maximum: number, value: number, description: string) =>
  Type.Integer({ minimum, maximum, default: value, description });
const optional = (description: string) => Type.Optional(Type.String({ description }));

/** Every variable that is read. The README's table and `.env.example` are written from it. */
export const ConfigSchema = Type.Object({
  HOST: text({ default: '127.0.0.1', description: 'Address to listen on; 0.0.0.0 or :: for all.' }),
  PORT: whole(0, 65_535, 3000, 'Port to listen on; 0 takes a free one.'),
  DATABASE_URL: text({
    pattern: '^postgres(ql)?://',
    description: 'Postgres, as postgresql://user:password@host/name.',
  }),
  DATABASE_DIRECT_URL: optional('Postgres without the pooler, to migrate and to listen. Default: DATABASE_URL.'),
  DATABASE_POOL_SIZE: whole(1, 500, 10, 'Connections that this instance may hold.'),
  MIGRATE_ON_START: flag(false, 'Apply migrations before serving.'),
  APP_SECRETS: text({
    description: 'Comma-separated, each at least 32 random bytes in base64url. The first makes, all of them verify.',
  }),
  ISSUER_URL: text({ description: "The service's public origin: `iss` of access tokens." }),
  AUDIENCE: optional('`aud` of access tokens. Default: ISSUER_URL.'),
  SIGNING_ALGORITHM: Type.Enum(['ES256', 'EdDSA', 'RS256'], {
    default: 'ES256',
    description: 'How access tokens are signed: ES256, EdDSA or RS256.',
  }),
  ALLOWED_ORIGINS: text({
    default: '',
    description: 'Comma-separated origins of other sites whose pages may call the service.',
  }),
  COOKIE_SECURE: flag(true, 'Whether the cookie needs https. false is for plain http in development.'),
  COOKIE_SAME_SITE: Type.Enum(['strict', 'lax', 'none'], {
    default: 'strict',
    description: "The cookie's SameSite: strict, lax or none.",
  }),
  CLEAR_SITE_DATA_ON_LOGOUT: flag(false, 'Whether logout tells the browser to forget caches and storage of this site.'),
  ACCESS_TOKEN_SECONDS: whole(10, 3_600, 600, 'Lifetime of access tokens.'),
  REFRESH_IDLE_SECONDS: whole(60, 34_560_000, 1_209_600, 'A session that is not refreshed for so long is over.'),
  REFRESH_ABSOLUTE_SECONDS: whole(60, 34_560_000, 7_776_000, 'A session is over after so long in any case.'),
  REFRESH_GRACE_SECONDS: whole(0, 60, 10, 'For how long the token before the newest one is still answered.'),
  REFRESH_RECOVERY_SECONDS: whole(
    0,
    2_592_000,
    86_400,
    'For how long it is answered while the answer of that rotation may have been lost; 0 = never.',
  ),
  RETENTION_DAYS: whole(1, 3_650, 90, 'Days for which ended and expired sessions, and incidents, are kept.'),
  MAX_SESSIONS_PER_USER: whole(1, 10_000, 100, 'Live sessions that one person may have; past it the oldest ends.'),
  BCRYPT_COST: whole(4, 16, 12, "bcrypt's cost: each step doubles the time of one sign-in. Below 10 only in tests."),
  PASSWORD_MIN_LENGTH: whole(1, 128, 8, 'Characters that a new password has at least.'),
  HASH_CONCURRENCY: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 256, description: 'Passwords hashed at once. Default: the number of cores.' }),
  ),
  HASH_QUEUE: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 10_000,
      description: 'Passwords that may wait. Default: 8 for each one at once.',
    }),
  ),
  TRUSTED_PROXIES: text({
    default: '',
    description: 'Comma-separated addresses or CIDR ranges of proxies whose X-Forwarded-For counts.',
  }),
  RATE_LIMIT_PER_MINUTE: whole(0, 1_000_000, 600, 'Requests of one address; 0 switches the limit off.'),
  RATE_LIMIT_CREDENTIALS_PER_MINUTE: whole(
    0,
    1_000_000,
    30,
    'Requests of one address to what takes a password; 0 switches the limit off.',
  ),
  DOCS_ENABLED: flag(true, 'Whether /docs and /openapi.json are served.'),
  LOG_LEVEL: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    default: 'info',
    description: 'fatal, error, warn, info, debug, trace or silent.',
  }),
});

type Environment = Type.Static<typeof ConfigSchema>;

/** The configuration as the code reads it. Secrets are decoded; lists are lists; whole seconds and characters. */
export type Config = Readonly<ReturnType<typeof toConfig>>;

/** All that is wrong with the configuration, for a person to mend in one go. Names values of no secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: string[];

  constructor(faults: string[]) {
    super(`The configuration has ${faults.length} fault${faults.length === 1 ? '' : 's'}:\n${list(faults)}`);
    this.faults = faults;
  }
}

/**
 * Reads and checks the whole configuration.
 *
 * @param environment variables by name; an empty one counts as not set
 * @throws ConfigError with all the faults there are
 */
export function loadConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const { parsed, faults } = parse(environment);
  faults.push(...crossFaults(parsed));
  if (environment.REQUIRE_VERIFIED_EMAIL === 'true') {
    faults.push('REQUIRE_VERIFIED_EMAIL: this version sends no mail yet, so it cannot be true.');
  }
  if (faults.length > 0) throw new ConfigError(faults);
  return Object.freeze(toConfig(parsed as Environment));
}

/**
 * All that is needed to migrate: the database, and none of the service's secrets.
 *
 * @throws ConfigError
 */
export function loadMigrationUrl(environment: NodeJS.ProcessEnv = process.env): string {
  const { parsed, faults } = parse(environment);
  const own = faults.filter((fault) => fault.startsWith('DATABASE_'));
  const url = parsed.DATABASE_DIRECT_URL ?? parsed.DATABASE_URL;
  if (own.length > 0 || url === undefined) throw new ConfigError(own);
  return url;
}

type SchemaFault = {
  instancePath: string;
  keyword: string;
  message?: string;
  params: { missingProperty?: string; allowedValues?: unknown[]; allowedValue?: unknown };
};

/** Checks each variable for itself. Those without a fault come back even when others have one, for the checks that follow. */
function parse(environment: NodeJS.ProcessEnv): { parsed: Partial<Environment>; faults: string[] } {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const schemaFaults = validate(ConfigSchema, { ...given });
  if (Array.isArray(schemaFaults)) {
    const faulty = new Set(schemaFaults.map(({ instancePath }) => instancePath.slice(1)));
    const sound = Object.fromEntries(Object.entries(given).filter(([name]) => !faulty.has(name)));
    const parsed = validate(Type.Partial(ConfigSchema), sound);
    const faults = [...new Set(schemaFaults.map(describeSchemaFault))];
    return { parsed: Array.isArray(parsed) ? {} : parsed, faults };
  }
  return { parsed: schemaFaults, faults: [] };
}

function validate(
  schema: Type.TObject,
  data: Record<string, string | undefined>,
): Partial<Environment> | SchemaFault[] {
  try {
    return envSchema<Partial<Environment>>({ schema, data, env: false });
  } catch (error) {
    const { errors } = error as { errors?: SchemaFault[] };
    if (errors) return errors;
    throw error;
  }
}

function describeSchemaFault({ instancePath, keyword, params, message }: SchemaFault): string {
  const name = params.missingProperty ?? instancePath.slice(1);
  const { description } = ConfigSchema.properties[name as keyof Environment] as { description?: string };
  if (keyword === 'required') return `${name} is not set. ${description}`;
  if (keyword === 'enum') return `${name} must be one of those named here. ${description}`;
  return `${name} ${message}. ${description}`;
}

/** What only two settings together, or a closer look at one, can tell. Says nothing of what is not there. */
function crossFaults(given: Partial<Environment>): string[] {
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

function toConfig(environment: Environment) {
  const hashConcurrency = environment.HASH_CONCURRENCY ?? availableParallelism();
  return {
    host: environment.HOST,
    port: environment.PORT,
    databaseUrl: environment.DATABASE_URL,
    databaseDirectUrl: environment.DATABASE_DIRECT_URL ?? environment.DATABASE_URL,
    databasePoolSize: environment.DATABASE_POOL_SIZE,
    migrateOnStart: environment.MIGRATE_ON_START,
    appSecrets: splitList(environment.APP_SECRETS).map((secret) => Buffer.from(secret, 'base64url')),
    issuer: environment.ISSUER_URL,
    audience: environment.AUDIENCE ?? environment.ISSUER_URL,
    signingAlgorithm: environment.SIGNING_ALGORITHM,
    allowedOrigins: splitList(environment.ALLOWED_ORIGINS),
    cookieSecure: environment.COOKIE_SECURE,
    cookieSameSite: environment.COOKIE_SAME_SITE,
    clearSiteDataOnLogout: environment.CLEAR_SITE_DATA_ON_LOGOUT,
    accessTokenSeconds: environment.ACCESS_TOKEN_SECONDS,
    refreshIdleSeconds: environment.REFRESH_IDLE_SECONDS,
    refreshAbsoluteSeconds: environment.REFRESH_ABSOLUTE_SECONDS,
    refreshGraceSeconds: environment.REFRESH_GRACE_SECONDS,
    refreshRecoverySeconds: environment.REFRESH_RECOVERY_SECONDS,
    retentionDays: environment.RETENTION_DAYS,
    maxSessionsPerUser: environment.MAX_SESSIONS_PER_USER,
    bcryptCost: environment.BCRYPT_COST,
    passwordMinLength: environment.PASSWORD_MIN_LENGTH,
    hashConcurrency,
    hashQueue: environment.HASH_QUEUE ?? 8 * hashConcurrency,
    trustedProxies: splitList(environment.TRUSTED_PROXIES),
    rateLimitPerMinute: environment.RATE_LIMIT_PER_MINUTE,
    rateLimitCredentialsPerMinute: environment.RATE_LIMIT_CREDENTIALS_PER_MINUTE,
    docsEnabled: environment.DOCS_ENABLED,
    logLevel: environment.LOG_LEVEL,
  };
}

function splitList(value: string): string[] {
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

function list(lines: string[]): string {
  return lines.map((line) => `  - ${line}`).join('\n');
}
