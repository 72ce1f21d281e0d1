import fastifyCookie from '@fastify/cookie';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyInstance } from 'fastify';
import type { DestinationStream } from 'pino';
import { buildAccountServices } from './app-accounts.js';
import { registerPlayground, simulateFaults } from './app-playground.js';
import { buildSharedCounts } from './app-redis.js';
import { buildSessionServices, type SessionServices } from './app-sessions.js';
import type { Config } from './config.js';
import { accountRoutes, credentialRoutes } from './modules/accounts/account-routes.js';
import { departureRoutes } from './modules/accounts/departure-routes.js';
import { emailChangeRoutes, emailRoutes } from './modules/accounts/email-routes.js';
import { exportRoutes } from './modules/accounts/export-routes.js';
import { mfaRoutes } from './modules/accounts/mfa-routes.js';
import { passwordChangeRoutes } from './modules/accounts/password-change-routes.js';
import { passwordResetRoutes } from './modules/accounts/password-reset-routes.js';
import { reauthenticationRoutes } from './modules/accounts/reauthentication-routes.js';
import { eventRoutes } from './modules/audit/event-routes.js';
import type { HashWorkers } from './modules/passwords/hash-workers.js';
import { secondFactorRoutes } from './modules/second-factor/second-factor-routes.js';
import { refreshRoutes, sessionRoutes } from './modules/sessions/session-routes.js';
import type { Faults } from './modules/simulated-faults/faults.js';
import { jwksRoutes } from './modules/tokens/jwks-routes.js';
import { clientGone } from './plugins/client-gone.js';
import { cors } from './plugins/cors.js';
import { errors, sendProblem } from './plugins/errors.js';
import { decorateWithAuth, type GateOptions, guard } from './plugins/gate.js';
import { gracefulClose } from './plugins/graceful-close.js';
import { health } from './plugins/health.js';
import { answerUnreadable, httpErrors } from './plugins/http-errors.js';
import { jsonBody } from './plugins/json-body.js';
import { methodNotAllowed } from './plugins/method-not-allowed.js';
import { openApi, serveOpenApi, serveReference } from './plugins/openapi.js';
import { createOriginRule } from './plugins/origin-rule.js';
import { rateLimits } from './plugins/rate-limits.js';
import { loggerOptions, RequestLog } from './plugins/request-log.js';
import { createRequestLogger } from './plugins/request-logger.js';
import { createRequestStory } from './plugins/request-story.js';
import { securityHeaders } from './plugins/security-headers.js';
import { timeLimit } from './plugins/time-limit.js';
import { underPressure } from './plugins/under-pressure.js';
import type { Tracing } from './tracing/tracing.js';

const BODY_LIMIT_BYTES = 16 * 1024;

export type BuildAppOptions = {
  /** Where log lines go; standard output unless given. */
  logStream?: DestinationStream;
  /** Shared by several apps of one process, and closed by whoever made them; the app makes its own unless given. */
  hashWorkers?: HashWorkers;
  /** Where the built playground is, as an absolute path; the project's own folder unless given. */
  playgroundFolder?: string;
  /** Traces requests; nothing does unless given. */
  tracing?: Pick<Tracing, 'plugin'> | undefined;
};

/**
 * The composition root (with the other app-*.ts): builds every service once, then the plugins, then the routes. Needs the database, since it
 * loads the signing keys and the sessions that ended lately. Never listens.
 */
export async function buildApp(
  config: Config,
  { logStream, hashWorkers, playgroundFolder, tracing }: BuildAppOptions = {},
): Promise<FastifyInstance> {
  const realm = new URL(config.issuer).host;
  const story = createRequestStory();
  const app = Fastify({
    logger: loggerOptions(config.logLevel, logStream, story.requestId),
    logController: new RequestLog(),
    childLoggerFactory: createRequestLogger,
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
    clientErrorHandler: (error, socket) => answerUnreadable(error, socket, app),
    // Asked in a hook, where the answer can be a problem document.
    http: { requireHostHeader: false, headersTimeout: 5_000, connectionsCheckingInterval: 1_000 },
  }).withTypeProvider<TypeBoxTypeProvider>();

  try {
    if (tracing) await app.register(tracing.plugin);
    await app.register(story.plugin);
    const sessionServices = await buildSessionServices(config, app);
    const services = { ...sessionServices, ...(await buildAccountServices(config, app, sessionServices, hashWorkers)) };
    const faults = simulateFaults(config, app);
    await registerPlugins(app, config, services, realm);
    await registerRoutes(app, config, services, { faults, folder: playgroundFolder });
    return app;
  } catch (error) {
    await app.close();
    throw error;
  }
}

type Services = SessionServices & Awaited<ReturnType<typeof buildAccountServices>>;

async function registerPlugins(app: FastifyInstance, config: Config, services: Services, realm: string) {
  const { cookies, hashWorkers, keyRing, metrics } = services;
  decorateWithAuth(app);
  await app.register(gracefulClose);
  await app.register(clientGone);
  await app.register(timeLimit, { spentHashing: (request) => hashWorkers.spentOn(request.clientGone) });
  await app.register(methodNotAllowed);
  await app.register(securityHeaders, { https: config.issuer.startsWith('https:') });
  await app.register(cors, { allowedOrigins: config.allowedOrigins });
  await app.register(rateLimits, {
    perMinute: config.rateLimitPerMinute,
    credentialsPerMinute: config.rateLimitCredentialsPerMinute,
    sharedCounts: await buildSharedCounts(config, app, keyRing, metrics),
  });
  await app.register(errors, { realm });
  await app.register(underPressure, { maxEventLoopDelayMs: config.maxEventLoopDelayMs });
  await app.register(httpErrors);
  await app.register(jsonBody);
  await app.register(fastifyCookie);
  if (config.docsEnabled) await app.register(openApi, { issuer: config.issuer, cookieName: cookies.refresh.name });
}

type PlaygroundParts = { faults: Faults | null; folder: string | undefined };

async function registerRoutes(
  app: FastifyInstance,
  config: Config,
  services: Services,
  { faults, folder }: PlaygroundParts,
) {
  const { database, clock, keys, accessTokens, endedSessions, revocation, confirmations, sessions } = services;
  const { accounts, mfa, reauthentication, secondFactors, passwordChanges, departures, exports, events, cookies } =
    services;
  const { recentAuthSeconds, clearSiteDataOnLogout: clearSiteData } = config;
  const { emails, passwordResets, mailbox } = services;
  const originRule = createOriginRule([config.issuer, ...config.allowedOrigins], cookies.refresh.isCarriedBy);
  originRule.install(app);
  const gate: GateOptions = {
    accessTokens,
    endedSessions,
    clock,
    onFirstPass: ({ sid, gen }) => confirmations.note(sid, gen),
  };

  await app.register(health, {
    pingDatabase: () => database.$queryRaw`SELECT 1`,
    revocation,
    isDraining: app.isDraining,
  });
  await app.register(jwksRoutes, { keys });

  await app.register(refreshRoutes, { sessions, cookie: cookies.refresh, clearSiteData });

  await app.register(async (scope) => {
    scope.addHook('onRequest', scope.limitCredentials);
    scope.addHook('preParsing', originRule.always);
    await scope.register(credentialRoutes, { accounts, cookies });
    await scope.register(mfaRoutes, { mfa, cookies });
    await scope.register(emailRoutes, { emails });
    await scope.register(passwordResetRoutes, { passwordResets });
  });

  await app.register(async (scope) => {
    guard(scope, gate);
    await scope.register(accountRoutes, { accounts });
    await scope.register(eventRoutes, { events });
    await scope.register(exportRoutes, { exports });
    await scope.register(sessionRoutes, { sessions });
    // What takes a password once more is limited as signing in is: hashing costs the same.
    await scope.register(async (proving) => {
      proving.addHook('onRequest', proving.limitCredentials);
      await proving.register(reauthenticationRoutes, { reauthentication, cookie: cookies.refresh });
      await proving.register(secondFactorRoutes, { secondFactors, recentAuthSeconds });
      await proving.register(passwordChangeRoutes, { passwordChanges, cookie: cookies.refresh, recentAuthSeconds });
      await proving.register(departureRoutes, {
        departures,
        cookie: cookies.refresh,
        clearSiteData,
        recentAuthSeconds,
      });
      await proving.register(emailChangeRoutes, { emails, recentAuthSeconds });
    });
  });

  await registerPlayground(app, config, services, { mailbox, faults, originRule, gate, folder });
  if (config.docsEnabled) serveOpenApi(app);
  app.refuseOtherMethods();
  if (config.docsEnabled) await serveReference(app);
}
