import type { ClientInfo } from '../../shared/client-info.js';
import { DomainError } from '../../shared/domain-error.js';
import { deviceOfSession, type ProveSecondFactor } from '../second-factor/second-factor-proof.js';
import type { SessionService, TokenGrant } from '../sessions/session-service.js';
import type { Account } from './account-repository.js';
import { AMR_WITH_SECOND_FACTOR } from './mfa-service.js';
import type { ConfirmPassword } from './password-confirmation.js';

/** Somebody who is signed in, as their access token has it, and the request that they make. */
export type Reauthentication = {
  userId: string;
  sessionId: string;
  generation: number;
  password: string;
  code: string | undefined;
  client: ClientInfo;
  signal: AbortSignal;
};

export type ReauthenticationService = ReturnType<typeof createReauthenticationService>;

type ReauthenticationServiceOptions = {
  confirmPassword: ConfirmPassword;
  prove: ProveSecondFactor;
  sessions: Pick<SessionService, 'renew'>;
};

/** Step-up: makes a session's sign-in a recent one again (RFC 9470 §3). */
export function createReauthenticationService({ confirmPassword, prove, sessions }: ReauthenticationServiceOptions) {
  return {
    /**
     * Asks for all that signing in asks for, and answers with tokens of the same session that say so.
     *
     * @throws DomainError `invalid_credentials`, `mfa_required`, `mfa_code_invalid`, `too_many_attempts`, `overloaded`,
     *   `session_ended`, `session_expired`
     */
    async reauthenticate(request: Reauthentication): Promise<TokenGrant> {
      const { userId, sessionId, generation, password, client, signal } = request;
      const account = await confirmPassword(userId, password, client, signal);
      const amr = await proveSecondFactor(account, request);
      const { passwordVersion } = account;
      return sessions.renew({ sessionId, generation, passwordVersion, amr, reauthenticated: client });
    },
  };

  async function proveSecondFactor(
    { hasSecondFactor }: Account,
    { userId, sessionId, code, client }: Reauthentication,
  ): Promise<string[]> {
    if (!hasSecondFactor) return ['pwd'];
    if (code === undefined) throw new DomainError('mfa_required');
    await prove(userId, code, { client, device: deviceOfSession(sessionId), sessionId });
    return AMR_WITH_SECOND_FACTOR;
  }
}
