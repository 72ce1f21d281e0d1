import { networkOf } from './client-network.js';
import type { KnownDevice } from './known-device.js';

/** A known device, under the password with which it was last asked about. */
export type RecognizedDevice = KnownDevice & {
  /** A new password is a new beginning for the account's devices too. */
  passwordVersion: number;
};

/** What is guessed at, by whom. Each purpose has budgets of its own. */
export type Guess = {
  purpose: 'sign_in' | 'password' | 'second_factor';
  /** Whose secret it is: a normalised address, or a user's id. Whether there is such an account does not matter. */
  account: string;
  /** As `readAddress` gives it. Those whose address nobody could tell are counted as one. */
  ip: string | null;
  /** Set when the guess comes from a device that this very account knows: then only that device's own budget counts. */
  device: RecognizedDevice | null;
};

/** How often one subject may be wrong. */
export type Budget = {
  /** Failures after which the next attempt has to wait for the first time. */
  freeFailures: number;
  /** Failures after which waiting helps no more; null where it always does. */
  maxFailures: number | null;
  /** Failures that time forgives, per second; 0 where only a right guess does. */
  forgivenPerSecond: number;
};

/** What is counted together. */
export type Subject = { name: string; budget: Budget };

const FIRST_DELAY_SECONDS = 1;
const MAX_DELAY_SECONDS = 900;
const SECONDS_TO_FORGIVE_A_BUDGET = 3_600;

/** NIST SP 800-63B §5.2.2: no more than 100 consecutive failures on one account. */
const MAX_CONSECUTIVE_FAILURES = 100;

/** Guesses of strangers at one account, and those of one known device. */
export const SECRET_BUDGET: Budget = {
  freeFailures: 5,
  maxFailures: MAX_CONSECUTIVE_FAILURES,
  forgivenPerSecond: 0,
};

/** Many people may share a client address, so it recovers by itself and is never stopped for good. */
export function addressBudget(freeFailures: number): Budget {
  return { freeFailures, maxFailures: null, forgivenPerSecond: freeFailures / SECONDS_TO_FORGIVE_A_BUDGET };
}

/**
 * Guesses from all devices that one account knows: whoever was once let in could have had any number of them. They make
 * the others wait, and stop none for good.
 */
export const DEVICES_BUDGET: Budget = { ...SECRET_BUDGET, freeFailures: 20, maxFailures: null };

/** Mails of one kind to one address, whoever asks for them: ten at once, and ten more an hour. */
export const MAIL_BUDGET: Budget = { freeFailures: 10, maxFailures: null, forgivenPerSecond: 10 / 3_600 };

/**
 * How long the next attempt has to wait after so many failures: nothing at first, then 1 s, doubling up to 15 minutes.
 *
 * @param failures to the nearest whole one, where time has forgiven a part of one
 * @returns seconds
 */
export function delayAfter(failures: number, { freeFailures }: Budget): number {
  const further = Math.round(failures) - freeFailures;
  return further < 0 ? 0 : Math.min(MAX_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** further);
}

/** The delays after the last free failure and each one more, up to the longest, which is that of all further ones. */
export function growingDelays(budget: Budget): number[] {
  const delays: number[] = [];
  while (delays.at(-1) !== MAX_DELAY_SECONDS) delays.push(delayAfter(budget.freeFailures + delays.length, budget));
  return delays;
}

/**
 * Which subjects a guess counts for, in the order in which they are counted, everywhere the same: the client address
 * first, so that one that has to wait does not raise the account's count.
 *
 * @param perAddress null when client addresses are not counted
 */
export function subjectsOf({ purpose, account, ip, device }: Guess, perAddress: Budget | null): Subject[] {
  // Neither account nor address: who attacks from next door, or from everywhere, keeps no known device out.
  if (device !== null && purpose !== 'password') {
    const version = purpose === 'sign_in' ? String(device.passwordVersion) : ANY_VERSION;
    return [
      // A new password does not begin codes anew, and so must not be needed for them either.
      {
        name: `device|${purpose}|${device.deviceId}|${version}`,
        budget: purpose === 'sign_in' ? SECRET_BUDGET : { ...SECRET_BUDGET, maxFailures: null },
      },
      { name: devicesSubject(purpose, account, version), budget: DEVICES_BUDGET },
    ];
  }
  const ofAccount = { name: accountSubject(purpose, account), budget: SECRET_BUDGET };
  if (purpose !== 'sign_in' || perAddress === null) return [ofAccount];
  const network = ip === null ? 'unknown' : networkOf(ip);
  return [{ name: `address|${purpose}|${network}`, budget: perAddress }, ofAccount];
}

/**
 * Every subject that a new password gives a new beginning; those of known devices hold its version, and so are new. Not
 * the second factor's: who reads somebody's mail could go on guessing codes by one reset after the other.
 */
export function subjectsOfPassword(person: { id: string; email: string }): string[] {
  return accountSubjects(person, ['sign_in', 'password']);
}

/** The second factor's: a new password, which keeps out whoever guessed by the old one, turns their stop into waiting. */
export function subjectsOfSecondFactor(person: { id: string; email: string }): string[] {
  return accountSubjects(person, ['second_factor']);
}

/** Every subject that is counted for an account itself, and for codes from all its devices, which no new password lifts. */
export function subjectsOfPerson(person: { id: string; email: string }): string[] {
  const devices = devicesSubject('second_factor', person.id, ANY_VERSION);
  return [...accountSubjects(person, ['sign_in', 'password', 'second_factor']), devices];
}

function accountSubjects({ id, email }: { id: string; email: string }, purposes: Guess['purpose'][]): string[] {
  return purposes.flatMap((purpose) => [accountSubject(purpose, id), accountSubject(purpose, email)]);
}

/** Codes are no guesses at the password: a new one does not begin them anew. */
const ANY_VERSION = 'any';

function devicesSubject(purpose: Guess['purpose'], account: string, version: string): string {
  return `devices|${purpose}|${account}|${version}`;
}

function accountSubject(purpose: Guess['purpose'], account: string): string {
  return `account|${purpose}|${account}`;
}
