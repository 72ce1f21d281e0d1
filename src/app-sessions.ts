import type { FastifyInstance } from 'fastify';
import type { Config } from './config.js';
import { MAX_ACCESS_TOKEN_SECONDS } from './config-schema.js';
import { createDatabaseClock } from './database/clock.js';
import { openDatabase } from './database/database.js';
import { createListener } from './database/listener.js';
import { createMetrics } from './metrics/metrics.js';
import type { PoolCounts } from './metrics/process-gauges.js';
import { newsOf } from './modules/mail/mail.js';
import { createOutboxRepository } from './modules/mail/outbox-repository.js';
import { createRetentionJob } from './modules/retention/retention-job.js';
import { createRetentionRules } from './modules/retention/retention-repository.js';
import { createEndedSessionFeed } from './modules/revocation/ended-session-feed.js';
import { createEndedSessionRepository } from './modules/revocation/ended-session-repository.js';
import { createEndedSessions } from './modules/revocation/ended-sessions.js';
import { createConfirmations } from './modules/sessions/confirmations.js';
import { createRotationBatches } from './modules/sessions/rotation-batches.js';
import { createSessionRepository } from './modules/sessions/session-repository.js';
import { createSessionService } from './modules/sessions/session-service.js';
import { createAccessTokens } from './modules/tokens/access-tokens.js';
import { createSigningKeyRepository } from './modules/tokens/signing-key-repository.js';
import { createSigningKeyUpkeep } from './modules/tokens/signing-key-upkeep.js';
import { createSigningKeys } from './modules/tokens/signing-keys.js';
import { metricsServer } from './plugins/metrics-server.js';
import { createKeyRing } from './shared/key-ring.js';
import { createSignal } from './shared/signal.js';

/** How long an access token's session is remembered as ended beyond the token's own life: for clocks that differ. */
const CLOCK_LEEWAY_SECONDS = 60;

export type SessionServices = Awaited<ReturnType<typeof buildSessionServices>>;

/** What keeps people signed in: sessions, tokens, and how every instance learns what ended. */
export async function buildSessionServices(config: Config, app: FastifyInstance) {
  const { log } = app;
  const { issuer, audience } = config;
  const keyRing = createKeyRing(config.appSecrets);
  let pool: PoolCounts | undefined;
  const database = openDatabase({
    url: config.databaseUrl,
    poolSize: config.databasePoolSize,
    preparedStatements: config.databasePreparedStatements,
    log,
    onPool: (opened) => {
      pool = opened;
    },
  });
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

  const outbox = createOutboxRepository(database, { enabled: config.mail !== undefined });
  const mailWaiting = createSignal();
  const listener = createListener({
    url: config.databaseDirectUrl,
    channels: {
      gatehouse_session_ended: endedSessionFeed.hear,
      gatehouse_signing_keys: keyUpkeep.refresh,
      gatehouse_mail: mailWaiting.raise,
    },
    onListening() {
      endedSessionFeed.catchUp();
      keyUpkeep.refresh();
      mailWaiting.raise();
    },
    notify: (channel, payload) => database.$executeRaw`SELECT pg_notify(${channel}, ${payload})`,
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
    mails: outbox.count,
    pool: () => pool,
    revocationAgeSeconds: endedSessionFeed.ageSeconds,
    signingKeyAgeSeconds: signingKeyRepository.activeAgeSeconds,
  });
  if (config.metricsPort !== undefined) {
    await app.register(metricsServer, { metrics, host: config.host, port: config.metricsPort });
  }

  const notices = new Set<Promise<void>>();
  app.addHook('onClose', async () => {
    await Promise.all(notices);
  });
  const idleSeconds = config.refreshIdleSeconds;
  const sessions = createSessionService({
    repository: sessionRepository,
    rotations: createRotationBatches({
      rotate: (rotation) => sessionRepository.rotate(rotation, idleSeconds),
      rotateMany: (rotations) => sessionRepository.rotateMany(rotations, idleSeconds),
      rotateInDoubt: (rotation) => sessionRepository.rotateInDoubt(rotation, idleSeconds),
    }),
    keyRing,
    accessTokens,
    confirmations,
    endedSessions,
    policy: {
      idleSeconds,
      absoluteSeconds: config.refreshAbsoluteSeconds,
      graceSeconds: config.refreshGraceSeconds,
      recoverySeconds: config.refreshRecoverySeconds,
      maxPerUser: config.maxSessionsPerUser,
    },
    onRefresh: metrics.refreshed,
    onReuse({ session, user, presentedGeneration, client }) {
      metrics.reuseFound();
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
      );
      // Nobody waits for it: the answer to whoever came with the token must not depend on the outbox.
      const notice: Promise<void> = outbox
        .add({ kind: 'refresh_reuse', recipient: user.email, userId: user.id, details: newsOf(client) })
        .catch((error) => log.warn({ err: error }, 'the notice of a reuse could not be put in the outbox'))
        .finally(() => notices.delete(notice));
      notices.add(notice);
    },
  });

  const retention = createRetentionJob({
    rules: createRetentionRules(database, config.retentionDays),
    onCleaned: (cleaned) => {
      metrics.cleaned(cleaned);
      metrics.cleanupDone();
      if (Object.keys(cleaned).length > 0) log.info({ event: 'cleaned', ...cleaned }, 'old rows were deleted');
    },
    onError: (error) => log.warn({ err: error }, 'old rows could not be deleted'),
  });
  retention.start();
  app.addHook('onClose', () => retention.stop());

  const revocation = { isFresh: endedSessionFeed.isFresh, isListening: listener.isListening };
  return {
    database,
    keyRing,
    clock,
    keys,
    accessTokens,
    endedSessions,
    revocation,
    confirmations,
    sessions,
    metrics,
    outbox,
    mailWaiting,
  };
}
