import { setTimeout as pause } from 'node:timers/promises';
import { decideFault, isTooOld } from './delivery-policy.js';
import { type ClaimedMail, carriesLink, type Message, type PreparedMail } from './mail.js';
import type { OutboxRepository } from './outbox-repository.js';
import { DeliveryError, type MailTransport } from './transport.js';

export type MailOutcome = 'sent' | 'put_off' | 'dead' | 'dropped';

type MailSenderOptions = {
  repository: Pick<OutboxRepository, 'claim' | 'waitsAlready' | 'remove' | 'putOff' | 'bury'>;
  transport: MailTransport;
  /** Who it goes to, and with what link; null when it is not to be sent after all. */
  prepare: (mail: ClaimedMail) => Promise<PreparedMail | null>;
  render: (mail: ClaimedMail, prepared: PreparedMail) => Message;
  /** Called for each mail with what came of it; `error` names no address and no secret. */
  onOutcome: (mail: ClaimedMail, outcome: MailOutcome, error?: string) => void;
  /** Called when the database could not be asked, or something is wrong with a mail itself. */
  onError: (error: unknown) => void;
};

/** Longer than the answer takes that a mail was asked for in. */
const MIN_REST_MS = 30;
const POLL_EVERY_MS = 5_000;
/** Mails that one instance sends at once: one that hangs does not hold up the others. */
const CONCURRENCY = 5;
/** How long one attempt may take; the lease is longer, so that no other instance takes a mail that is just being sent. */
const ATTEMPT_MS = 30_000;
const LEASE_SECONDS = 120;
/** How long mails that are being sent are waited for when the instance stops. */
const STOP_WITHIN_MS = 4_000;
const REMOVE_ATTEMPTS = 3;

/** Sends what is in the outbox: every instance does, each mail by one of them. */
export function createMailSender(options: MailSenderOptions) {
  const { repository, transport, prepare, render, onOutcome, onError } = options;
  const sending = new Set<Promise<void>>();
  const giveUp = new AbortController();
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let claiming: Promise<void> | undefined;
  let wokenMeanwhile = false;

  /** Something may be due: takes as much as there are free places for. */
  function wake(): void {
    if (stopped || sending.size >= CONCURRENCY) return;
    if (claiming) {
      wokenMeanwhile = true;
      return;
    }
    wokenMeanwhile = false;
    claiming = repository
      .claim(CONCURRENCY - sending.size, LEASE_SECONDS)
      .then((mails) => mails.forEach(start), onError)
      .finally(() => {
        claiming = undefined;
        if (wokenMeanwhile) wake();
      });
  }

  function start(mail: ClaimedMail): void {
    const done: Promise<void> = deliver(mail)
      .catch(onError)
      .finally(() => {
        sending.delete(done);
        wake();
      });
    sending.add(done);
  }

  async function deliver(mail: ClaimedMail): Promise<void> {
    try {
      const prepared = (await isWanted(mail)) ? await prepare(mail) : null;
      if (prepared === null) {
        await repository.remove(mail);
        onOutcome(mail, 'dropped');
        return;
      }
      const signal = AbortSignal.any([giveUp.signal, AbortSignal.timeout(ATTEMPT_MS)]);
      await transport.send(render(mail, prepared), mail, signal);
    } catch (error) {
      await handleFault(mail, error);
      return;
    }
    // What went out and stays in the outbox would go out again.
    await persistently(() => repository.remove(mail));
    onOutcome(mail, 'sent');
  }

  /** Not what was asked for long ago and never came to be sent, nor what an older mail of the kind, which still waits, will do. */
  async function isWanted(mail: ClaimedMail): Promise<boolean> {
    const hasLink = carriesLink(mail.kind);
    if (mail.attempt === 1 && isTooOld({ ...mail, hasLink })) return false;
    return mail.userId !== null || !hasLink || !(await repository.waitsAlready(mail));
  }

  async function handleFault(mail: ClaimedMail, error: unknown): Promise<void> {
    const isDelivery = error instanceof DeliveryError;
    if (!isDelivery) onError(error);
    const message = isDelivery ? error.message : 'the mail could not be made; see the log';
    const fault = isDelivery ? error.fault : { permanent: false, outage: false };
    const decision = decideFault(fault, { ...mail, hasLink: carriesLink(mail.kind) }, Math.random());
    // Of who has left nothing is kept, not even that they could not be told.
    if (decision.action === 'bury' && mail.kind === 'account_deleted') await repository.remove(mail);
    else if (decision.action === 'bury') await repository.bury(mail, message);
    else await repository.putOff(mail, decision.seconds, message);
    onOutcome(mail, decision.action === 'bury' ? 'dead' : 'put_off', message);
  }

  return {
    /** From now on, sends what is due. */
    start(): void {
      timer = setInterval(wake, POLL_EVERY_MS).unref();
      wake();
    },

    /**
     * Something was put in. Not at once, and not after the same time: what a mail for an account takes must not fall
     * into the answer that it was asked for in, which would take longer than one for nobody.
     */
    wakeSoon(): void {
      setTimeout(wake, MIN_REST_MS + Math.random() * MIN_REST_MS).unref();
    },

    /** Takes no more; waits for what is being sent, but not for ever: what is then not sent waits for another instance. */
    async stop(): Promise<void> {
      stopped = true;
      clearInterval(timer);
      await claiming;
      const deadline = setTimeout(() => giveUp.abort(), STOP_WITHIN_MS);
      await Promise.all(sending);
      clearTimeout(deadline);
    },
  };
}

async function persistently(work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt === REMOVE_ATTEMPTS) throw error;
      await pause(500 * attempt);
    }
  }
}
