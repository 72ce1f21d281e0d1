import fastifyCookie from '@fastify/cookie';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyInstance } from 'fastify';
import type { DestinationStream } from 'pino';
import type { Config } from './config.js';
import { MAX_ACCESS_TOKEN_SECONDS } from './config-schema.js';
import { createDatabaseClock } from './database/clock.js';
import { openDatabase } from './database/database.js';
import { createListener } from './database/listener.js';
import { createAccountRepository } from './modules/accounts/account-repository.js';
import { accountRoutes, credentialRoutes } from './modules/accounts/account-routes.js';
import { createAccountService } from './modules/accounts/account-service.js';
import { createHashWorkers, type HashWorkers } from './modules/accounts/hash-workers.js';
import { createPasswordHasher } from './modules/accounts/password-hasher.js';
import { createRetentionJob } from './modules/retention/retention-job.js';
import { createRetentionRepository } from './modules/retention/retention-repository.js';
import { createEndedSessionFeed } from './modules/revocation/ended-session-feed.js';
import { createEndedSessionRepository } from './modules/revocation/ended-session-repository.js';
import { createEndedSessions } from './modules/revocation/ended-sessions.js';
import { createConfirmations } from './modules/sessions/confirmations.js';
import { createRefreshCookie } from './modules/sessions/refresh-cookie.js';
import { createSessionRepository } from './modules/sessions/session-repository.js';
import { refreshRoutes, sessionRoutes } from './modules/sessions/session-routes.js';
import { createSessionService } from './modules/sessions/session-service.js';
import { createAccessTokens } from './modules/tokens/access-tokens.js';
import { jwksRoutes } from './modules/tokens/jwks-routes.js';
import { createSigningKeyRepository } from './modules/tokens/signing-key-repository.js';
import { createSigningKeyUpkeep } from './modules/tokens/signing-key-upkeep.js';
import { createSigningKeys } from './modules/tokens/signing-keys.js';
import { cors } from './plugins/cors.js';
import { errors, sendProblem } from './plugins/errors.js';
import { decorateWithAuth, guard } from './plugins/gate.js';
import { gracefulClose } from './plugins/graceful-close.js';
import { health } from './plugins/health.js';
import { answerUnreadable, httpErrors } from './plugins/http-errors.js';
import { jsonBody } from './plugins/json-body.js';
import { methodNotAllowed } from './plugins/method-not-allowed.js';
import { createMetrics, serveMetrics } from './plugins/metrics.js';
import { openApi, serveOpenApi, serveReference } from './plugins/openapi.js';
import { createOriginRule } from './plugins/origin-rule.js';
import { rateLimits } from './plugins/rate-limits.js';
import { loggerOptions, RequestLog } from './plugins/request-log.js';
import { securityHeaders } from './plugins/security-headers.js';
import { createKeyRing } from './shared/key-ring.js';

/** How long an access token's session is remembered as ended beyond the token's own life: for clocks that differ. */
const CLOCK_LEEWAY_SECONDS = 60;
const BODY_LIMIT_BYTES = 16 * 1024;

export type BuildAppOptions = {
  /** Where log lines go; standard output unless given. */
  logStream?: DestinationStream;
  /** Shared by several apps of one process, and closed by whoever made them; the app makes its own unless given. */
  hashWorkers?: HashWorkers;
};

/**
 * The composition root: builds every service once, then the plugins, then the routes. Needs the database, since it
 * loads the signing keys and the sessions that ended lately. Never listens.
 */
export async function buildApp(
  config: Config,
  { logStream, hashWorkers }: BuildAppOptions = {},
): Promise<FastifyInstance> {
  const realm = new URL(config.issuer).host;
  const app = Fastify({
    logger: loggerOptions(config.logLevel, logStream),
    logController: new RequestLog(),
    genReqId: () => crypto.randomUUID(),
    trustProxy: config.trustedProxies.length > 0 ? [...config.trustedProxies] : false,
    bodyLimit: BODY_LIMIT_BYTES,
    connectionTimeout: 15_000,
    requestTimeout: 10_000,
    keepAliveTimeout: 72_000,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
    // These two answer what never comes to a route, and so past every hook.
    frameworkErrors: (error, request, reply) => {
      reply.headers({ ...app.commonHeaders, 'x-request-id': request.id });
      request.log.info({ code: error.code }, 'could not be read');
      return sendProblem(error, request, reply, realm);
    },
    clientErrorHandler: (error, socket) => answerUnreadable(error, socket, app.log),
    // Asked in a hook, where the answer can be a problem document.
    http: { requireHostHeader: false },
  }).withTypeProvider<TypeBoxTypeProvider>();

  try {
    const services = await buildServices(config, app, hashWorkers);
    await registerPlugins(app, config, services, realm);
    await registerRoutes(app, config, services);
    return app;
  } catch (error) {
    await app.close();
    throw error;
  }
}

type Services = Awaited<ReturnType<typeof buildServices>>;

async function buildServices(config: Config, app: FastifyInstance, hashWorkers: HashWorkers | undefined) {
  const { log } = app;
  const { issuer, audience } = config;
  const keyRing = createKeyRing(config.appSecrets);
  const database = openDatabase({ url: config.databaseUrl, poolSize: config.databasePoolSize, log });
  app.addHook('onClose', () => database.$disconnect());

  const clock = createDatabaseClock(database, (error) => log.warn({ err: error }, 'the database told no time'));
  await clock.start();
  app.addHook('onClose', async () => clock.stop());

  const signingKeyRepository = createSigningKeyRepository(database, keyRing);
  const keys = createSigningKeys({ repository: signingKeyRepository, issuer, audience });
  const keyUpkeep = createSigningKeyUpkeep({
    repository: signingKeyRepository,
    keys,
    algorithm: config.signingAlgorithm,
    rotationDays: config.signingKeyRotationDays,
    onChange: (changes) => log.info({ event: 'signing_keys_changed', ...changes }, 'the signing keys were changed'),
    onError: (error) => log.warn({ err: error }, 'the signing keys could not be looked after; trying again'),
  });
  const accessTokens = createAccessTokens({
    keys,
    clock,
    issuer,
    audience,
    lifetimeSeconds: config.accessTokenSeconds,
  });

  // The longest lifetime that can be configured, so that shortening it revives no token that was made before.
  const rememberSeconds = MAX_ACCESS_TOKEN_SECONDS + CLOCK_LEEWAY_SECONDS;
  const endedSessions = createEndedSessions(rememberSeconds, { now: () => performance.now() });
  const endedSessionFeed = createEndedSessionFeed({
    repository: createEndedSessionRepository(database),
    endedSessions,
    rememberSeconds,
    onError: (error) => log.warn({ err: error }, 'the sessions that ended lately could not be read'),
  });

  const listener = createListener({
    url: config.databaseDirectUrl,
    channels: {
      gatehouse_session_ended: endedSessionFeed.hear,
      gatehouse_signing_keys: keyUpkeep.refresh,
    },
    onListening() {
      endedSessionFeed.catchUp();
      keyUpkeep.refresh();
    },
    log,
  });
  app.addHook('onClose', async () => {
    endedSessionFeed.stop();
    keyUpkeep.stop();
    await listener.stop();
  });
  // Listening first: what happens between the two is heard, or found by asking.
  await listener.start();
  await keyUpkeep.start();
  await endedSessionFeed.start();

  const sessionRepository = createSessionRepository(database);
  const confirmations = createConfirmations({
    repository: sessionRepository,
    onError: (error) => log.warn({ err: error }, 'confirmed generations could not be written yet'),
  });
  app.addHook('onClose', () => confirmations.stop());

  const metrics = createMetrics({
    isListening: listener.isListening,
    endedSessions: endedSessions.size,
    confirmationsWaiting: confirmations.size,
  });
  if (config.metricsPort !== undefined) serveMetrics(app, metrics, config.host, config.metricsPort);

  const sessions = createSessionService({
    repository: sessionRepository,
    keyRing,
    accessTokens,
    confirmations,
    endedSessions,
    policy: {
      idleSeconds: config.refreshIdleSeconds,
      absoluteSeconds: config.refreshAbsoluteSeconds,
      graceSeconds: config.refreshGraceSeconds,
      recoverySeconds: config.refreshRecoverySeconds,
      maxPerUser: config.maxSessionsPerUser,
    },
    onRefresh: metrics.refreshed,
    onReuse: ({ session, presentedGeneration, client }) =>
      log.warn(
        {
          event: 'refresh_reuse',
          session_id: session.id,
          user_id: session.userId,
          generation: session.generation,
          presented_generation: presentedGeneration,
          ip: client.ip,
        },
        'a refresh token was used again after it had been replaced; its session was ended',
      ),
  });

  const retention = createRetentionJob({
    repository: createRetentionRepository(database),
    retentionDays: config.retentionDays,
    onCleaned: (cleaned) => {
      metrics.cleaned(cleaned);
      log.info({ event: 'cleaned', ...cleaned }, 'old sessions and incidents were deleted');
    },
    onError: (error) => log.warn({ err: error }, 'old sessions and incidents could not be deleted'),
  });
  retention.start();
  app.addHook('onClose', () => retention.stop());

  const workers = hashWorkers ?? createHashWorkers({ concurrency: config.hashConcurrency, queue: config.hashQueue });
  if (!hashWorkers) app.addHook('onClose', () => workers.close());
  const passwords = createPasswordHasher({ keyRing, cost: config.bcryptCost, workers });
  const accounts = createAccountService({
    repository: createAccountRepository(database),
    passwords,
    sessions,
    policy: { passwordMinLength: config.passwordMinLength },
  });
  const cookie = createRefreshCookie({ secure: config.cookieSecure, sameSite: config.cookieSameSite });

  const revocation = { isFresh: endedSessionFeed.isFresh, isListening: listener.isListening };
  return { database, keys, accessTokens, endedSessions, revocation, confirmations, sessions, accounts, cookie };
}

async function registerPlugins(app: FastifyInstance, config: Config, { cookie }: Services, realm: string) {
  decorateWithAuth(app);
  await app.register(gracefulClose);
  await app.register(methodNotAllowed);
  await app.register(securityHeaders, { https: config.issuer.startsWith('https:') });
  await app.register(cors, { allowedOrigins: config.allowedOrigins });
  await app.register(rateLimits, {
    perMinute: config.rateLimitPerMinute,
    credentialsPerMinute: config.rateLimitCredentialsPerMinute,
  });
  await app.register(errors, { realm });
  await app.register(httpErrors);
  await app.register(jsonBody);
  await app.register(fastifyCookie);
  if (config.docsEnabled) await app.register(openApi, { issuer: config.issuer, cookieName: cookie.name });
}

async function registerRoutes(app: FastifyInstance, config: Config, services: Services) {
  const { database, keys, accessTokens, endedSessions, revocation, confirmations, sessions, accounts, cookie } =
    services;
  const originRule = createOriginRule([config.issuer, ...config.allowedOrigins], cookie.isCarriedBy);
  originRule.install(app);

  await app.register(health, {
    pingDatabase: () => database.$queryRaw`SELECT 1`,
    revocation,
  });
  await app.register(jwksRoutes, { keys });

  await app.register(refreshRoutes, { sessions, cookie, clearSiteData: config.clearSiteDataOnLogout });

  await app.register(async (scope) => {
    scope.addHook('onRequest', scope.limitCredentials);
    scope.addHook('preParsing', originRule.always);
    await scope.register(credentialRoutes, { accounts, cookie });
  });

  await app.register(async (scope) => {
    guard(scope, {
      accessTokens,
      endedSessions,
      onFirstPass: ({ sid, gen }) => confirmations.note(sid, gen),
    });
    await scope.register(accountRoutes, { accounts });
    await scope.register(sessionRoutes, { sessions });
  });

  if (config.docsEnabled) serveOpenApi(app);
  app.refuseOtherMethods();
  if (config.docsEnabled) await serveReference(app);
}
