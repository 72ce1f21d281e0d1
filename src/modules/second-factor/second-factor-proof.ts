import type { ClientInfo } from '../../shared/client-info.js';
import type { Clock } from '../../shared/clock.js';
import { DomainError } from '../../shared/domain-error.js';
import type { RecognizedDevice } from '../attempts/attempt-policy.js';
import type { Attempts } from '../attempts/attempts.js';
import type { EventLog } from '../audit/event-log.js';
import { hashRecoveryCode, normalizeRecoveryCode } from './recovery-codes.js';
import type { SecondFactorRepository } from './second-factor-repository.js';
import { findStep } from './totp.js';

/** Who sends a code, and from where. */
export type CodeContext = {
  client: ClientInfo;
  /** Whose budget of guesses counts. */
  device: RecognizedDevice | null;
  /** None while somebody is signing in. */
  sessionId: string | null;
};

export type ProveSecondFactor = ReturnType<typeof createSecondFactorProof>;

type SecondFactorProofOptions = {
  repository: Pick<SecondFactorRepository, 'find' | 'takeStep' | 'takeRecoveryCode'>;
  attempts: Pick<Attempts, 'guess'>;
  eventLog: Pick<EventLog, 'addLater'>;
  /** The database's: codes are judged by the same time on every instance. */
  clock: Clock;
};

/** Takes codes of a second factor: those of the authenticator app and recovery codes alike, each of them once. */
export function createSecondFactorProof({ repository, attempts, eventLog, clock }: SecondFactorProofOptions) {
  /** @throws DomainError `mfa_code_invalid`, also when there is no second factor (any more); `too_many_attempts` */
  return async (userId: string, code: string, context: CodeContext): Promise<void> => {
    const { client, device, sessionId } = context;
    const guess = { purpose: 'second_factor', account: userId, ip: client.ip, device } as const;
    if (await attempts.guess(guess, () => take(userId, code, context))) return;
    eventLog.addLater({ type: 'mfa_failed', userId, sessionId, client });
    throw new DomainError('mfa_code_invalid');
  };

  async function take(userId: string, code: string, context: CodeContext): Promise<boolean> {
    const factor = await repository.find(userId);
    if (!factor?.isConfirmed) return false;
    const step = findStep(factor.secret, code, clock.now());
    if (step !== null) return repository.takeStep(userId, factor.enrolment, step);
    const recoveryCode = normalizeRecoveryCode(code);
    if (recoveryCode === null) return false;
    return repository.takeRecoveryCode(userId, hashRecoveryCode(recoveryCode, factor.secret), context);
  }
}

/**
 * Within a session that session is the device: whoever knows the password alone can use up the guesses of no one who is
 * signed in.
 */
export function deviceOfSession(sessionId: string): RecognizedDevice {
  return { deviceId: sessionId.replaceAll('-', ''), passwordVersion: 0 };
}
