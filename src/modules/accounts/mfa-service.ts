import type { Clock } from '../../shared/clock.js';
import { DomainError } from '../../shared/domain-error.js';
import type { KeyRing } from '../../shared/key-ring.js';
import type { ProveSecondFactor } from '../second-factor/second-factor-proof.js';
import type { Transport } from '../sessions/session.js';
import type { Account, AccountRepository } from './account-repository.js';
import { decodeMfaToken, encodeMfaToken, type MfaTokenContent } from './mfa-token.js';
import type { SignedIn, SignIn, SignInContext } from './sign-in.js';

/** The password was right; a code is still wanted. */
export type MfaChallenge = { mfaToken: string; expiresInSeconds: number };

/** How a person has proved who they are with a password and a code (RFC 8176 §2): of the app and recovery codes alike. */
export const AMR_WITH_SECOND_FACTOR = ['pwd', 'otp', 'mfa'];

/** Long enough to find the phone, and to wait for the next code. */
const MFA_TOKEN_SECONDS = 300;

export type MfaService = ReturnType<typeof createMfaService>;

type MfaServiceOptions = {
  repository: Pick<AccountRepository, 'findById'>;
  prove: ProveSecondFactor;
  signIn: SignIn;
  keyRing: KeyRing;
  /** The database's. */
  clock: Clock;
};

/** The second step of signing in. */
export function createMfaService({ repository, prove, signIn, keyRing, clock }: MfaServiceOptions) {
  return {
    /** What the first step leads to for an account with a second factor. Nothing is opened, recorded or remembered. */
    challenge({ id: userId, passwordVersion }: Account, transport: Transport): MfaChallenge {
      const expiresAt = new Date(clock.now() + MFA_TOKEN_SECONDS * 1000);
      const mfaToken = encodeMfaToken({ userId, passwordVersion, transport, expiresAt }, keyRing.current);
      return { mfaToken, expiresInSeconds: MFA_TOKEN_SECONDS };
    },

    /**
     * Signs a person in who has the right code as well. The session travels as it was asked for in the first step.
     *
     * @throws DomainError `mfa_token_invalid` when the token is none, has expired, or the password or the second factor
     *   was changed meanwhile; `mfa_code_invalid`, `too_many_attempts`
     */
    async complete({ mfaToken, code }: { mfaToken: string; code: string }, request: MfaContext): Promise<SignedIn> {
      const content = decodeMfaToken(mfaToken, keyRing, new Date(clock.now()));
      // A page in a browser gets no refresh token in a body, whoever took the first step for it.
      if (content === null || (content.transport === 'body' && request.isBrowser)) throw outdated();
      const account = await findUnchanged(content);
      const context: SignInContext = { ...request, transport: content.transport };
      const device = signIn.recognize(account, request.knownDevice);
      await prove(account.id, code, { client: request.client, device, sessionId: null });
      return signIn.complete(account, AMR_WITH_SECOND_FACTOR, context).catch(throwOutdated);
    },
  };

  async function findUnchanged({ userId, passwordVersion }: MfaTokenContent): Promise<Account> {
    const account = await repository.findById(userId);
    if (account === null || account.passwordVersion !== passwordVersion || !account.hasSecondFactor) throw outdated();
    if (account.isDisabled) throw new DomainError('account_disabled');
    return account;
  }
}

export type MfaContext = Omit<SignInContext, 'transport'> & { isBrowser: boolean };

/** The password can be changed even between that look and the session. */
function throwOutdated(error: unknown): never {
  throw error instanceof DomainError && error.code === 'invalid_credentials' ? outdated(error) : error;
}

function outdated(cause?: DomainError): DomainError {
  return new DomainError('mfa_token_invalid', { cause });
}
