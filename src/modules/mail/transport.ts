import type { DeliveryFault } from './delivery-policy.js';
import type { ClaimedMail, Message } from './mail.js';

/** Hands mails over to whoever delivers them. */
export type MailTransport = {
  /**
   * @param signal gives up when it is aborted; whether the mail went out is then unknown
   * @throws DeliveryError
   */
  send: (message: Message, mail: Pick<ClaimedMail, 'id' | 'kind'>, signal: AbortSignal) => Promise<void>;
};

/** A mail was not delivered. Its message names neither an address nor a secret. */
export class DeliveryError extends Error {
  override readonly name = 'DeliveryError';
  readonly fault: DeliveryFault;

  constructor(message: string, fault: DeliveryFault) {
    super(message);
    this.fault = fault;
  }
}
