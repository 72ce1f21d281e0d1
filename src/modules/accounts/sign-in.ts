import type { ClientInfo } from '../../shared/client-info.js';
import type { KeyRing } from '../../shared/key-ring.js';
import type { RecognizedDevice } from '../attempts/attempt-policy.js';
import { decodeKnownDevice, encodeKnownDevice, newDevice } from '../attempts/known-device.js';
import type { Transport } from '../sessions/session.js';
import type { SessionService, TokenGrant } from '../sessions/session-service.js';
import type { Account } from './account-repository.js';

/** A session, and what makes this device a known one the next time. */
export type SignedIn = { grant: TokenGrant; knownDevice: string };

/** From where, and how, somebody signs in. */
export type SignInContext = {
  client: ClientInfo;
  transport: Transport;
  /** What the device was given when it last signed in, as it sent it. */
  knownDevice: string | undefined;
  /** Aborted when the client has gone. */
  signal: AbortSignal;
};

export type SignIn = ReturnType<typeof createSignIn>;

type SignInOptions = { sessions: Pick<SessionService, 'open'>; keyRing: KeyRing };

/** The last step of every way to sign in. */
export function createSignIn({ sessions, keyRing }: SignInOptions) {
  const recognize = (account: Account | null, knownDevice: string | undefined): RecognizedDevice | null => {
    if (account === null || knownDevice === undefined) return null;
    const device = decodeKnownDevice(knownDevice, account.id, keyRing);
    return device && { ...device, passwordVersion: account.passwordVersion };
  };

  return {
    /** The device, if this account has signed in on it before. */
    recognize,

    /** @param amr how the person proved who they are. @throws DomainError `invalid_credentials` */
    async complete(account: Account, amr: string[], context: SignInContext): Promise<SignedIn> {
      const { id: userId, passwordVersion } = account;
      const device = recognize(account, context.knownDevice) ?? newDevice();
      const grant = await sessions.open({ userId, passwordVersion, amr }, context.transport, context.client);
      return { grant, knownDevice: encodeKnownDevice(device, userId, keyRing) };
    },
  };
}
