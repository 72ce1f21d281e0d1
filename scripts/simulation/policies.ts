import { decideRefresh } from '../../src/modules/sessions/refresh-decision.js';
import type { EndReason } from '../../src/modules/sessions/session.js';

/**
 * All that a server may know of one session's refresh tokens. Tokens are numbered in the order in which they were
 * issued. Where nothing forks, a token's number is its generation and its parent is the number before it.
 */
export type Family = {
  /** The token issued last. */
  generation: number;
  /** The newest token that the client is known to have received. */
  confirmedGeneration: number;
  /** When the token issued last was issued. */
  rotatedAt: Date;
  idleExpiresAt: Date;
  expiresAt: Date;
  endedAt: Date | null;
  endReason: EndReason | null;
  /** When a refresh was last answered at all, in milliseconds. */
  lastAnsweredAt: number;
  /** By token: which one it was issued for; 0 for the first. */
  parents: Int32Array;
  /** By token: when it was first exchanged, in milliseconds; NEVER if it was not. */
  usedAt: Float64Array;
  /** By token: 1 once a token that was issued for it has been exchanged in turn. */
  isGrandparent: Uint8Array;
};

export const NEVER = -1;

/** `rotate` issues a new token for the presented one, `repeat` hands out the newest token again, `end` ends all. */
export type PolicyDecision = 'rotate' | 'repeat' | 'end';

/** A rule of rotation: a pure function of what the server knows, the presented token and the time. */
export type Policy = (family: Readonly<Family>, presented: number, now: Date) => PolicyDecision;

/** Gatehouse: the very function that the service uses. */
export function gatehouse(graceSeconds: number, recoverySeconds: number): Policy {
  const settings = { graceSeconds, recoverySeconds };
  return (family, presented, now) => {
    const { action } = decideRefresh(family, presented, now, settings);
    // Nothing expires here and nobody guesses, so that a refusal would be a fault of the simulation.
    if (action === 'refuse') throw new Error(`Token ${presented} of ${family.generation} was refused.`);
    return action;
  };
}

/** Every token is good once; a second time ends the session (RFC 9700 §4.14.2, taken by the letter). */
export const strict: Policy = (family, presented) => (presented === family.generation ? 'rotate' : 'end');

/**
 * A token may be exchanged again for some seconds after its first exchange, and each time a *new* token is issued: the
 * family forks, and both branches live on. As Auth0 describes its overlap period: "a new rotating refresh token is
 * issued" and only the previous token can be reused, not the one before it.
 *
 * That both branches stay good is an assumption; so is that Okta's grace period works like this one.
 */
export function forkingGrace(graceSeconds: number): Policy {
  return (family, presented, now) => {
    const usedAt = family.usedAt[presented] ?? NEVER;
    if (usedAt === NEVER) return 'rotate';
    const isPrevious = family.isGrandparent[presented] === 0;
    return isPrevious && now.getTime() - usedAt < graceSeconds * 1000 ? 'rotate' : 'end';
  };
}

/**
 * The token before the newest one is answered with the newest one for ever; older ones only within the reuse interval
 * after the last answer. As Supabase Auth's guide "User sessions" and its source say (`internal/tokens/service.go`).
 */
export function parentForEver(reuseSeconds: number): Policy {
  return (family, presented, now) => {
    if (presented === family.generation) return 'rotate';
    if (presented === family.generation - 1) return 'repeat';
    return now.getTime() - family.lastAnsweredAt < reuseSeconds * 1000 ? 'repeat' : 'end';
  };
}

export type NamedPolicy = { name: string; decide: Policy };

/** The five that are compared, ours first. */
export function comparedPolicies(graceSeconds: number, recoverySeconds: number): NamedPolicy[] {
  return [
    { name: 'Gatehouse', decide: gatehouse(graceSeconds, recoverySeconds) },
    { name: 'strict', decide: strict },
    { name: '10 s grace, forks', decide: forkingGrace(10) },
    { name: '30 s grace, forks', decide: forkingGrace(30) },
    { name: 'parent for ever', decide: parentForEver(10) },
  ];
}
