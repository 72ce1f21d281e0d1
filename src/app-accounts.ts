import type { FastifyInstance } from 'fastify';
import { buildMail } from './app-mail.js';
import type { SessionServices } from './app-sessions.js';
import type { Config } from './config.js';
import type { Statements } from './database/database.js';
import { onceMoreIfUndone } from './database/retries.js';
import { createAccountRepository } from './modules/accounts/account-repository.js';
import { createAccountService } from './modules/accounts/account-service.js';
import { createDepartureService } from './modules/accounts/departure-service.js';
import { createEmailService } from './modules/accounts/email-service.js';
import { createExportRepository } from './modules/accounts/export-repository.js';
import { createExportService } from './modules/accounts/export-service.js';
import { createKnownDeviceCookie } from './modules/accounts/known-device-cookie.js';
import { createMfaService } from './modules/accounts/mfa-service.js';
import { createOneTimeTokenRepository } from './modules/accounts/one-time-token-repository.js';
import { createPasswordChangeService } from './modules/accounts/password-change-service.js';
import { createPasswordConfirmation } from './modules/accounts/password-confirmation.js';
import { createPasswordResetService } from './modules/accounts/password-reset-service.js';
import { createReauthenticationService } from './modules/accounts/reauthentication-service.js';
import { createSignIn } from './modules/accounts/sign-in.js';
import type { InTransaction, Repositories } from './modules/accounts/unit-of-work.js';
import { createAttemptRepository } from './modules/attempts/attempt-repository.js';
import { createAttempts } from './modules/attempts/attempts.js';
import { createEventLog } from './modules/audit/event-log.js';
import { createEventRepository } from './modules/audit/event-repository.js';
import { createEventService } from './modules/audit/event-service.js';
import { createOutboxRepository } from './modules/mail/outbox-repository.js';
import { createBreachCheck } from './modules/passwords/breach-check.js';
import { createHashWorkers, type HashWorkers } from './modules/passwords/hash-workers.js';
import { createPasswordHasher } from './modules/passwords/password-hasher.js';
import { createPasswordPolicy } from './modules/passwords/password-policy.js';
import { createSecondFactorProof } from './modules/second-factor/second-factor-proof.js';
import { createSecondFactorRepository } from './modules/second-factor/second-factor-repository.js';
import { createSecondFactorService } from './modules/second-factor/second-factor-service.js';
import { createSecondFactorUpkeep } from './modules/second-factor/second-factor-upkeep.js';
import { createRefreshCookie } from './modules/sessions/refresh-cookie.js';
import { createSessionRepository } from './modules/sessions/session-repository.js';

/** How long a transaction may wait for a connection, and take. */
const TRANSACTION_BOUNDS = { maxWait: 1_500, timeout: 4_000 };

/** What people do with their accounts: registering, signing in, passwords, mail. */
export async function buildAccountServices(
  config: Config,
  app: FastifyInstance,
  sessionServices: SessionServices,
  hashWorkers: HashWorkers | undefined,
) {
  const { log } = app;
  const { database, keyRing, clock, sessions, metrics } = sessionServices;
  const workers = hashWorkers ?? createHashWorkers({ concurrency: config.hashConcurrency, queue: config.hashQueue });
  if (!hashWorkers) app.addHook('onClose', () => workers.close());
  metrics.watchHashing(() => ({
    running: workers.running(),
    waiting: workers.waiting(),
    refused: workers.refused(),
  }));
  const passwords = createPasswordHasher({ keyRing, cost: config.bcryptCost, workers });
  const policy = createPasswordPolicy({
    minLength: config.passwordMinLength,
    workers,
    serviceNames: [config.serviceName, new URL(config.issuer).hostname],
    isBreached:
      config.breachCheckUrl === undefined
        ? undefined
        : createBreachCheck({
            url: config.breachCheckUrl,
            onChecked: metrics.breachChecked,
            onError: (reason) =>
              log.warn({ reason }, 'a new password could not be looked up among breached ones, and was let pass'),
          }),
  });
  const mailEnabled = config.mail !== undefined;
  const repositoriesOn = (statements: Statements): Repositories => ({
    accounts: createAccountRepository(statements),
    sessions: createSessionRepository(statements),
    secondFactors: createSecondFactorRepository(statements, keyRing),
    events: createEventRepository(statements),
    outbox: createOutboxRepository(statements, { enabled: mailEnabled }),
    tokens: createOneTimeTokenRepository(statements),
  });
  const inTransaction: InTransaction = (work) =>
    onceMoreIfUndone(() =>
      database.$transaction((transaction) => work(repositoriesOn(transaction)), TRANSACTION_BOUNDS),
    );
  const repositories = repositoriesOn(database);
  const eventLog = createEventLog({
    repository: repositories.events,
    onError: (error) => log.warn({ err: error }, 'an event could not be recorded'),
  });
  app.addHook('onClose', () => eventLog.stop());

  const attempts = createAttempts({
    repository: createAttemptRepository(database, keyRing),
    freeFailuresPerAddress: config.signInFailuresPerAddress,
    onGuess: metrics.guessed,
  });
  const mailbox = buildMail(config, app, sessionServices, inTransaction, attempts);
  /** The new password is in force by then: that guesses at the old one still count is no reason to say that it failed. */
  const forgetAttempts = (person: { id: string; email: string }) =>
    attempts.forget(person).catch((error) => log.warn({ err: error }, 'counted guesses could not be forgotten'));
  const signIn = createSignIn({ sessions, keyRing });
  const repository = repositories.accounts;
  const confirmPassword = createPasswordConfirmation({ repository, passwords, attempts, eventLog });
  const prove = createSecondFactorProof({ repository: repositories.secondFactors, attempts, eventLog, clock });
  const mfa = createMfaService({ repository, prove, signIn, keyRing, clock });
  const reauthentication = createReauthenticationService({ confirmPassword, prove, sessions });

  const accounts = createAccountService({
    repository,
    inTransaction,
    passwords,
    policy,
    attempts,
    signIn,
    mfa,
    eventLog,
    requireVerifiedEmail: config.requireVerifiedEmail,
    onNewOwner: forgetAttempts,
  });
  const secondFactors = createSecondFactorService({
    repository: repositories.secondFactors,
    inTransaction,
    prove,
    attempts,
    clock,
    serviceName: config.serviceName,
    findOwner: accounts.find,
    confirmPassword,
  });
  const upkeep = createSecondFactorUpkeep({
    repository: repositories.secondFactors,
    inTransaction,
    hasOlderSecrets: keyRing.ids.length > 1,
    onOrphans: (count) =>
      log.error(
        { event: 'second_factors_orphaned', count },
        'second factors were sealed under a secret that APP_SECRETS no longer lists: put it back, behind the first',
      ),
    onTakenOver: (count) => log.info({ event: 'second_factors_taken_over', count }, 'second factors were sealed anew'),
    onUnreadable: (userIds) => log.error({ user_ids: userIds.slice(0, 10) }, 'second factors cannot be opened'),
    onError: (error) => log.warn({ err: error }, 'second factors could not be sealed anew yet; trying again'),
  });
  await upkeep.start();
  app.addHook('onClose', () => upkeep.stop());
  const passwordChanges = createPasswordChangeService({
    confirmPassword,
    policy,
    passwords,
    inTransaction,
    sessions,
    idleSeconds: config.refreshIdleSeconds,
    onPasswordChange: forgetAttempts,
  });
  const departures = createDepartureService({ confirmPassword, repository, inTransaction, sessions });
  const exports = createExportService({ repository: createExportRepository(database), events: repositories.events });
  const events = createEventService({ repository: repositories.events });
  const { outbox, tokens } = repositories;
  const emails = createEmailService({ inTransaction, outbox, confirmPassword, mailEnabled });
  const passwordResets = createPasswordResetService({
    inTransaction,
    tokens,
    outbox,
    passwords,
    policy,
    sessions,
    mailEnabled,
    onPasswordReset: forgetAttempts,
  });
  const cookieAttributes = { secure: config.cookieSecure, sameSite: config.cookieSameSite };
  const cookies = {
    refresh: createRefreshCookie(cookieAttributes),
    knownDevice: createKnownDeviceCookie(cookieAttributes),
  };
  return {
    accounts,
    mfa,
    reauthentication,
    secondFactors,
    passwordChanges,
    departures,
    exports,
    events,
    emails,
    passwordResets,
    mailbox,
    hashWorkers: workers,
    cookies,
  };
}
