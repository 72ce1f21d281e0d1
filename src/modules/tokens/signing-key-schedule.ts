import type { SigningAlgorithm } from '../../shared/signing-algorithm.js';

/**
 * *next* is published and signs nothing yet; *active* signs; *retired* only verifies; *revoked* is dead: an emergency.
 * A key goes from the left to the right and never back.
 */
export type SigningKeyStatus = 'next' | 'active' | 'retired' | 'revoked';

/** What a decision needs to know of a key. */
export type ScheduledKey = {
  kid: string;
  algorithm: SigningAlgorithm;
  status: SigningKeyStatus;
  createdAt: Date;
  activatedAt: Date | null;
  retiredAt: Date | null;
};

/** What is to be done, in this order. */
export type KeyChanges = {
  /** This key counts no more, and its private half goes. */
  revoke: string | null;
  /** These go without a trace: nothing that they signed is valid. */
  forget: string[];
  /** This one becomes the active key; the one that was is retired. */
  promote: string | null;
  /** New keys. */
  make: { status: 'next' | 'active'; algorithm: SigningAlgorithm }[];
};

export type KeyPolicy = {
  /** An active key signs for so long; 0 = until somebody rotates by hand. */
  rotationDays: number;
  /** Which algorithm the next key is to be of. Default: the one in use. */
  algorithm?: SigningAlgorithm;
};

/**
 * How long a key is published before it signs: verifiers keep the JWKS for its max-age of 300 s (jwks-routes.ts), and
 * the slowest instance may publish a little late.
 */
export const PUBLISH_SECONDS = 360;

/**
 * How long a retired key still verifies: the longest that ACCESS_TOKEN_SECONDS can be, so that lowering it loses no
 * token, and five minutes for clocks and for an instance that has not heard yet and goes on signing with it.
 */
export const KEEP_RETIRED_SECONDS = 3_600 + 300;

/** A change that was asked for by hand and cannot or should not be made. The message tells a person what to do. */
export class KeyChangeRefused extends Error {
  override readonly name = 'KeyChangeRefused';
}

/** What the schedule says is due: with one active and one next key and neither old, nothing. */
export function decideDue(keys: readonly ScheduledKey[], now: Date, policy: KeyPolicy): KeyChanges {
  const { active, next } = current(keys);
  const algorithm = policy.algorithm ?? next?.algorithm ?? active?.algorithm ?? 'ES256';
  const expired = keys.filter(
    ({ status, retiredAt }) => status === 'retired' && isOver(retiredAt, KEEP_RETIRED_SECONDS, now),
  );
  const forget = expired.map(({ kid }) => kid);

  // The configured algorithm is another one now: it is published first, like any other change.
  const misfit = next !== undefined && next.algorithm !== algorithm;
  if (misfit) forget.push(next.kid);
  const usable = misfit ? undefined : next;
  const promote =
    usable !== undefined &&
    (active === undefined ||
      (isOver(usable.createdAt, PUBLISH_SECONDS, now) &&
        (usable.algorithm !== active.algorithm ||
          (policy.rotationDays > 0 && isOver(active.activatedAt, policy.rotationDays * 86_400, now)))));
  return fill({ revoke: null, forget, promote: promote ? usable.kid : null, make: [] }, keys, algorithm);
}

/**
 * A rotation by hand.
 *
 * @param from the key that was active when it was asked for: of several who ask at once, one rotates
 * @throws KeyChangeRefused unless the next key is published long enough, or `evenIfUnpublished`
 */
export function decideRotation(
  keys: readonly ScheduledKey[],
  now: Date,
  { from, evenIfUnpublished }: { from: string | undefined; evenIfUnpublished: boolean },
): KeyChanges {
  const { active, next } = current(keys);
  if (active?.kid !== from) throw new KeyChangeRefused(`Somebody else has just rotated: ${active?.kid} signs now.`);
  if (next === undefined) throw new KeyChangeRefused('There is no next key yet; a running instance makes one.');
  if (!evenIfUnpublished && !isOver(next.createdAt, PUBLISH_SECONDS, now)) {
    const from = new Date(next.createdAt.getTime() + PUBLISH_SECONDS * 1000).toISOString();
    throw new KeyChangeRefused(
      `The next key, ${next.kid}, is too new: services that check tokens themselves may not have it yet. Rotate after ${from}, or at once with --now: those services may then refuse new tokens for up to 5 minutes.`,
    );
  }
  return fill({ revoke: null, forget: [], promote: next.kid, make: [] }, keys, next.algorithm);
}

/**
 * An emergency: the key has leaked, and nothing that it signed may count any more. If it was the active one, the next
 * one takes its place, however new.
 *
 * @throws KeyChangeRefused
 */
export function decideRevocation(keys: readonly ScheduledKey[], kid: string): KeyChanges {
  const key = keys.find((one) => one.kid === kid);
  if (key === undefined) throw new KeyChangeRefused(`There is no key ${kid}. keys list shows all.`);
  if (key.status === 'revoked') throw new KeyChangeRefused(`The key ${kid} is revoked already.`);
  const { next } = current(keys);
  const promote = key.status === 'active' && next !== undefined ? next.kid : null;
  return fill({ revoke: kid, forget: [], promote, make: [] }, keys, next?.algorithm ?? key.algorithm);
}

export function isNothing({ revoke, forget, promote, make }: KeyChanges): boolean {
  return revoke === null && forget.length === 0 && promote === null && make.length === 0;
}

/** Completes changes so that they leave one active and one next key. */
function fill(changes: KeyChanges, keys: readonly ScheduledKey[], algorithm: SigningAlgorithm): KeyChanges {
  const { active, next } = current(keys.filter(({ kid }) => kid !== changes.revoke && !changes.forget.includes(kid)));
  if (active === undefined && changes.promote === null) changes.make.push({ status: 'active', algorithm });
  if (next === undefined || changes.promote !== null) changes.make.push({ status: 'next', algorithm });
  return changes;
}

function current(keys: readonly ScheduledKey[]) {
  return {
    active: keys.find(({ status }) => status === 'active'),
    next: keys.find(({ status }) => status === 'next'),
  };
}

function isOver(since: Date | null, seconds: number, now: Date): boolean {
  return since !== null && now.getTime() - since.getTime() >= seconds * 1000;
}
