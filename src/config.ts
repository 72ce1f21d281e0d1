import { availableParallelism } from 'node:os';
import { envSchema } from 'env-schema';
import { Type } from 'typebox';
import { crossFaults, splitList } from './config-rules.js';
import { ConfigSchema, type Environment } from './config-schema.js';

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
  return directUrl(parsed, faultsOf(['DATABASE_'], faults));
}

/**
 * All that is needed to work on stored keys: the database and the secrets.
 *
 * @throws ConfigError
 */
export function loadKeysConfig(environment: NodeJS.ProcessEnv = process.env) {
  const { parsed, faults } = parse(environment);
  const own = faultsOf(['DATABASE_', 'APP_SECRETS'], [...faults, ...crossFaults(parsed)]);
  return { databaseUrl: directUrl(parsed, own), appSecrets: decodeSecrets(parsed.APP_SECRETS ?? '') };
}

/** What can be read of a configuration with faults, and the faults: for whoever looks for what else is wrong. */
export function inspectEnvironment(environment: NodeJS.ProcessEnv = process.env) {
  const { parsed, faults } = parse(environment);
  faults.push(...crossFaults(parsed));
  return {
    given: parsed,
    faults,
    appSecrets: faults.some((fault) => fault.startsWith('APP_SECRETS')) ? [] : decodeSecrets(parsed.APP_SECRETS ?? ''),
  };
}

function faultsOf(prefixes: string[], faults: string[]): string[] {
  return faults.filter((fault) => prefixes.some((prefix) => fault.startsWith(prefix)));
}

function directUrl(parsed: Partial<Environment>, faults: string[]): string {
  const url = parsed.DATABASE_DIRECT_URL ?? parsed.DATABASE_URL;
  if (faults.length > 0 || url === undefined) throw new ConfigError(faults);
  return url;
}

function decodeSecrets(value: string): Buffer[] {
  return splitList(value).map((secret) => Buffer.from(secret, 'base64url'));
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

function toConfig(environment: Environment) {
  const hashConcurrency = environment.HASH_CONCURRENCY ?? availableParallelism();
  return {
    host: environment.HOST,
    port: environment.PORT,
    databaseUrl: environment.DATABASE_URL,
    databaseDirectUrl: environment.DATABASE_DIRECT_URL ?? environment.DATABASE_URL,
    databasePoolSize: environment.DATABASE_POOL_SIZE,
    databasePreparedStatements: environment.DATABASE_PREPARED_STATEMENTS,
    migrateOnStart: environment.MIGRATE_ON_START,
    appSecrets: decodeSecrets(environment.APP_SECRETS),
    issuer: environment.ISSUER_URL,
    audience: environment.AUDIENCE ?? environment.ISSUER_URL,
    signingAlgorithm: environment.SIGNING_ALGORITHM,
    signingKeyRotationDays: environment.SIGNING_KEY_ROTATION_DAYS,
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
    redisUrl: environment.REDIS_URL,
    signInFailuresPerAddress: environment.SIGN_IN_FAILURES_PER_ADDRESS,
    breachCheckUrl: environment.BREACH_CHECK_URL,
    recentAuthSeconds: environment.RECENT_AUTH_SECONDS,
    serviceName: environment.SERVICE_NAME,
    mail: toMailConfig(environment),
    requireVerifiedEmail: environment.REQUIRE_VERIFIED_EMAIL,
    maxEventLoopDelayMs: environment.MAX_EVENT_LOOP_DELAY_MS,
    shutdownDelaySeconds: environment.SHUTDOWN_DELAY_SECONDS,
    metricsPort: environment.METRICS_PORT,
    tracing: toTracingConfig(environment),
    docsEnabled: environment.DOCS_ENABLED,
    playgroundEnabled: environment.PLAYGROUND_ENABLED,
    simulatedFaultsEnabled: environment.SIMULATED_FAULTS_ENABLED,
    logLevel: environment.LOG_LEVEL,
  };
}

/** How mail is sent; undefined when it is not. */
function toMailConfig({ SMTP_URL: smtpUrl, MAIL_FROM: from, APP_URL: appUrl }: Environment) {
  return smtpUrl && from && appUrl ? { smtpUrl, from, appUrl } : undefined;
}

/** Where traces go; undefined when nothing is traced. */
function toTracingConfig(environment: Environment) {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: base, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: whole } = environment;
  const url = whole ?? (base === undefined ? undefined : `${base.replace(/\/$/, '')}/v1/traces`);
  if (url === undefined || environment.OTEL_SDK_DISABLED) return undefined;
  return { url, serviceName: environment.OTEL_SERVICE_NAME };
}

function list(lines: string[]): string {
  return lines.map((line) => `  - ${line}`).join('\n');
}
