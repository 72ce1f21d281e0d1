import { Type } from 'typebox';
import { SIGNING_ALGORITHMS } from './shared/signing-algorithm.js';

const text = (options: Type.TStringOptions) => Type.String(options);
const flag = (value: boolean, description: string) => Type.Boolean({ default: value, description });
const whole = (minimum: number, maximum: number, value: number, description: string) =>
  Type.Integer({ minimum, maximum, default: value, description });
const optional = (description: string) => Type.Optional(Type.String({ description }));

/** The longest that an access token can live, whatever is configured: what ended is remembered for so long. */
export const MAX_ACCESS_TOKEN_SECONDS = 3_600;

/** Every variable that is read. `docs/configuration.md` and `.env.example` are written from it. */
export const ConfigSchema = Type.Object({
  HOST: text({ default: '127.0.0.1', description: 'Address to listen on; 0.0.0.0 or :: for all.' }),
  PORT: whole(0, 65_535, 3000, 'Port to listen on; 0 takes a free one.'),
  DATABASE_URL: text({
    pattern: '^postgres(ql)?://',
    description: 'Postgres, as postgresql://user:password@host/name.',
  }),
  DATABASE_DIRECT_URL: Type.Optional(
    text({
      pattern: '^postgres(ql)?://',
      description: 'Postgres without the pooler, to migrate and to listen. Default: DATABASE_URL.',
    }),
  ),
  DATABASE_POOL_SIZE: whole(1, 500, 10, 'Connections that this instance may hold.'),
  DATABASE_PREPARED_STATEMENTS: flag(
    true,
    'Whether statements are prepared once for each connection. false is for PgBouncer before 1.21 in transaction mode.',
  ),
  MIGRATE_ON_START: flag(false, 'Apply migrations before serving.'),
  APP_SECRETS: text({
    description: 'Comma-separated, each at least 32 random bytes in base64url. The first makes, all of them verify.',
  }),
  ISSUER_URL: text({ description: "The service's public origin: `iss` of access tokens." }),
  AUDIENCE: optional('`aud` of access tokens. Default: ISSUER_URL.'),
  SIGNING_ALGORITHM: Type.Enum([...SIGNING_ALGORITHMS], {
    default: 'ES256',
    description: 'How access tokens are signed: ES256, EdDSA or RS256.',
  }),
  SIGNING_KEY_ROTATION_DAYS: whole(0, 3_650, 30, 'Days after which another key signs; 0 = by hand, with keys rotate.'),
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
  ACCESS_TOKEN_SECONDS: whole(10, MAX_ACCESS_TOKEN_SECONDS, 600, 'Lifetime of access tokens.'),
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
  REDIS_URL: Type.Optional(
    text({
      pattern: '^rediss?://',
      description:
        'Redis in which instances count requests together, as redis://user:password@host:6379 or rediss://…. Default: each counts for itself.',
    }),
  ),
  SIGN_IN_FAILURES_PER_ADDRESS: whole(
    0,
    1_000_000,
    100,
    'Wrong sign-ins of one client address before it has to wait; an hour forgives so many. 0 = not counted.',
  ),
  BREACH_CHECK_URL: Type.Optional(
    text({
      pattern: '^https?://',
      description:
        'Where new passwords are looked up among breached ones, by the first five digits of their SHA-1 alone, such as https://api.pwnedpasswords.com/range/. Default: off.',
    }),
  ),
  RECENT_AUTH_SECONDS: whole(
    60,
    86_400,
    900,
    'How old a sign-in may be for what matters most: changing the password, the address or the second factor, leaving.',
  ),
  SERVICE_NAME: text({
    default: 'Gatehouse',
    minLength: 1,
    maxLength: 60,
    pattern: '^[^\\r\\n":<>@]+$',
    description: 'What people know the service as: in mails and in their authenticator app.',
  }),
  SMTP_URL: Type.Optional(
    text({
      pattern: '^(smtps?://.+|memory:)$',
      description:
        'Mail server, as smtp://user:password@host:587 or smtps://…; memory: keeps mails to be read at /dev/mailbox (on this machine only). Default: no mail is sent.',
    }),
  ),
  MAIL_FROM: optional('Sender of mails, such as Example <no-reply@example.com>. Required with SMTP_URL.'),
  APP_URL: optional('Page of your app to which links in mails lead. Required with SMTP_URL.'),
  REQUIRE_VERIFIED_EMAIL: flag(false, 'Whether an address must be verified before the first sign-in. Needs SMTP_URL.'),
  MAX_EVENT_LOOP_DELAY_MS: whole(
    0,
    60_000,
    1_000,
    'Milliseconds by which the process may lag before it answers 503 until it has recovered; 0 switches the check off.',
  ),
  SHUTDOWN_DELAY_SECONDS: whole(
    0,
    300,
    0,
    'Seconds to go on serving after SIGTERM, not ready, so that balancers notice before the port closes.',
  ),
  METRICS_PORT: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 65_535,
      description: 'Port for Prometheus (GET /metrics), for the inside only. Default: off.',
    }),
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.Optional(
    text({
      pattern: '^https?://',
      description: 'Collector for OpenTelemetry traces (OTLP over HTTP), such as http://localhost:4318. Default: off.',
    }),
  ),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: Type.Optional(
    text({ pattern: '^https?://', description: 'The same, for traces alone and with the whole path.' }),
  ),
  OTEL_SERVICE_NAME: text({ default: 'gatehouse', description: 'What the service is called in traces.' }),
  OTEL_SDK_DISABLED: flag(false, 'Switches tracing off whatever else is set.'),
  DOCS_ENABLED: flag(true, 'Whether /docs and /openapi.json are served.'),
  PLAYGROUND_ENABLED: flag(false, 'Whether /playground, a page on which to watch the service work, is served.'),
  SIMULATED_FAULTS_ENABLED: flag(
    false,
    'Whether /dev/faults lets the playground lose answers, go offline and play the thief (on this machine only).',
  ),
  LOG_LEVEL: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    default: 'info',
    description: 'fatal, error, warn, info, debug, trace or silent.',
  }),
});

export type Environment = Type.Static<typeof ConfigSchema>;
