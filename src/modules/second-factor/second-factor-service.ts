import type { ClientInfo } from '../../shared/client-info.js';
import type { Clock } from '../../shared/clock.js';
import { DomainError } from '../../shared/domain-error.js';
import type { Attempts } from '../attempts/attempts.js';
import type { EventRepository } from '../audit/event-repository.js';
import type { OutboxRepository } from '../mail/outbox-repository.js';
import { hashRecoveryCode, newRecoveryCodes, normalizeRecoveryCode } from './recovery-codes.js';
import { deviceOfSession, type ProveSecondFactor } from './second-factor-proof.js';
import type { SecondFactorRepository, SecondFactorStatus } from './second-factor-repository.js';
import { findStep, newTotpSecret, toBase32, toOtpauthUrl } from './totp.js';

/** Somebody who is signed in, and the request that they make. */
export type Caller = { userId: string; sessionId: string; client: ClientInfo; signal: AbortSignal };

/** What it takes to weaken a second factor. */
export type Proof = { password: string; code: string };

type Owner = { email: string };

/** What is written together here. */
type Repositories = {
  secondFactors: SecondFactorRepository;
  events: EventRepository;
  outbox: OutboxRepository;
  accounts: { lock: (userId: string) => Promise<string | null> };
  sessions: { findEndReason: (sessionId: string) => Promise<string | null> };
};

export type SecondFactorService = ReturnType<typeof createSecondFactorService>;

type SecondFactorServiceOptions = {
  repository: Pick<SecondFactorRepository, 'enrol' | 'find' | 'status'>;
  inTransaction: <Result>(work: (repositories: Repositories) => Promise<Result>) => Promise<Result>;
  prove: ProveSecondFactor;
  attempts: Pick<Attempts, 'guess'>;
  clock: Clock;
  /** What the authenticator app shows beside the code. */
  serviceName: string;
  /** @throws DomainError `session_ended` when the account is gone */
  findOwner: (userId: string) => Promise<Owner>;
  /** @throws DomainError `invalid_credentials`, `too_many_attempts`, `overloaded`, `session_ended` */
  confirmPassword: (userId: string, password: string, client: ClientInfo, signal: AbortSignal) => Promise<Owner>;
};

/** Turns a person's second factor on and off. */
export function createSecondFactorService(options: SecondFactorServiceOptions) {
  const { repository, inTransaction, prove, attempts, clock, serviceName, findOwner, confirmPassword } = options;

  return {
    /** @returns null when there is no second factor, or none that is confirmed */
    status: (userId: string): Promise<SecondFactorStatus | null> => repository.status(userId),

    /**
     * Begins an enrolment. Nothing asks for codes before it is confirmed.
     *
     * @throws DomainError `mfa_already_enabled`, `session_ended`
     */
    async begin(userId: string): Promise<{ secret: string; otpauthUrl: string }> {
      const { email } = await findOwner(userId);
      const secret = newTotpSecret();
      if (!(await repository.enrol(userId, secret))) throw new DomainError('mfa_already_enabled');
      return { secret: toBase32(secret), otpauthUrl: toOtpauthUrl(secret, { issuer: serviceName, label: email }) };
    },

    /**
     * Turns the factor on, once a first code has shown that the person's app has it.
     *
     * @returns the recovery codes: they are told this once
     * @throws DomainError `mfa_not_enabled` when nothing was begun, `mfa_already_enabled`, `mfa_code_invalid`,
     *   `too_many_attempts`, `session_ended`
     */
    async confirm({ userId, sessionId, client }: Caller, code: string): Promise<string[]> {
      const { email } = await findOwner(userId);
      const recoveryCodes = newRecoveryCodes();
      const device = deviceOfSession(sessionId);
      const isRight = await attempts.guess(
        { purpose: 'second_factor', account: userId, ip: client.ip, device },
        async () => {
          const pending = await repository.find(userId);
          if (pending === null) throw new DomainError('mfa_not_enabled');
          if (pending.isConfirmed) throw new DomainError('mfa_already_enabled');
          const step = findStep(pending.secret, code, clock.now());
          if (step === null) return false;
          return inTransaction(async ({ secondFactors, events, outbox, accounts, sessions }) => {
            // Whoever ends sessions of this person holds their account: an ending that this instance has not heard of
            // yet must win, or a thief's factor would outlive the new password.
            const isGone = (await accounts.lock(userId)) === null;
            const reason = isGone ? 'account_deleted' : await sessions.findEndReason(sessionId);
            if (reason !== null) throw new DomainError('session_ended', { reason, bearerError: 'invalid_token' });
            if (!(await secondFactors.confirm(userId, pending.enrolment, step))) return false;
            await secondFactors.replaceRecoveryCodes(userId, hashAll(recoveryCodes, pending.secret));
            await events.add({ type: 'mfa_enabled', userId, sessionId, client });
            await outbox.add({ kind: 'second_factor_enabled', recipient: email, userId });
            return true;
          });
        },
      );
      if (!isRight) throw new DomainError('mfa_code_invalid');
      return recoveryCodes;
    },

    /**
     * Turns the factor off.
     *
     * @throws DomainError `mfa_not_enabled`, `invalid_credentials`, `mfa_code_invalid`, `too_many_attempts`, `overloaded`, `session_ended`
     */
    async disable(caller: Caller, proof: Proof): Promise<void> {
      const { userId, sessionId, client } = caller;
      const { email } = await confirmBoth(caller, proof);
      const removed = await inTransaction(async ({ secondFactors, events, outbox }) => {
        if (!(await secondFactors.remove(userId))) return false;
        await events.add({ type: 'mfa_disabled', userId, sessionId, client });
        await outbox.add({ kind: 'second_factor_disabled', recipient: email, userId });
        return true;
      });
      if (!removed) throw new DomainError('mfa_not_enabled');
    },

    /**
     * Ten new recovery codes; those before are void.
     *
     * @throws DomainError as `disable`
     */
    async renewRecoveryCodes(caller: Caller, proof: Proof): Promise<string[]> {
      const { userId, sessionId, client } = caller;
      await confirmBoth(caller, proof);
      const factor = await repository.find(userId);
      const recoveryCodes = newRecoveryCodes();
      const replaced = await inTransaction(async ({ secondFactors, events }) => {
        if (factor === null || !(await secondFactors.lock(userId, factor.enrolment))) return false;
        await secondFactors.replaceRecoveryCodes(userId, hashAll(recoveryCodes, factor.secret));
        await events.add({ type: 'mfa_recovery_codes_renewed', userId, sessionId, client });
        return true;
      });
      if (!replaced) throw new DomainError('mfa_not_enabled');
      return recoveryCodes;
    },
  };

  /** The password first: without it nobody comes to guess at codes, or to use one up. */
  async function confirmBoth({ userId, sessionId, client, signal }: Caller, { password, code }: Proof): Promise<Owner> {
    if ((await repository.status(userId)) === null) throw new DomainError('mfa_not_enabled');
    const owner = await confirmPassword(userId, password, client, signal);
    await prove(userId, code, { client, device: deviceOfSession(sessionId), sessionId });
    return owner;
  }
}

function hashAll(recoveryCodes: readonly string[], factorSecret: Buffer): Buffer[] {
  return recoveryCodes.map((code) => hashRecoveryCode(normalizeRecoveryCode(code) ?? code, factorSecret));
}
