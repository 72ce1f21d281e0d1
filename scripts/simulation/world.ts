import { type Family, NEVER, type Policy } from './policies.js';
import { ARRIVES, KILLED_AFTER_USE, SECOND_TAB, type Story } from './story.js';

const MOST_TOKENS = 16_384;

/** How one session went under one policy. Times are milliseconds since the person signed in. */
export type Outcome = {
  /** When somebody honest found the session ended, for the first time; NEVER if that did not happen. */
  signedOutAt: number;
  /** Of that: the event whose token was refused, or the trouble from which the client came back. */
  signedOutBy: number;
  /** Whether the thief was ever given a token. */
  thiefGotIn: boolean;
  /** Whether the thief, or the person after them, was given the newest token again: what the windows cost. */
  wasRepeatedAfterTheft: boolean;
  /** When the session was ended after the theft; NEVER if the thief was not noticed. */
  noticedAt: number;
};

/** The row or rows of one session, to be used over and over again. */
export function emptyFamily(): Family {
  return {
    generation: 0,
    confirmedGeneration: 0,
    rotatedAt: new Date(0),
    // Expiry is the same under every policy, and so left out.
    idleExpiresAt: new Date(8.64e15),
    expiresAt: new Date(8.64e15),
    endedAt: null,
    endReason: null,
    lastAnsweredAt: 0,
    parents: new Int32Array(MOST_TOKENS),
    usedAt: new Float64Array(MOST_TOKENS),
    isGrandparent: new Uint8Array(MOST_TOKENS),
  };
}

export function emptyOutcome(): Outcome {
  return {
    signedOutAt: NEVER,
    signedOutBy: ARRIVES,
    thiefGotIn: false,
    wasRepeatedAfterTheft: false,
    noticedAt: NEVER,
  };
}

/**
 * Lives one story through under one policy.
 *
 * The honest client has one place for its token, as browsers have with a cookie: what arrives last is kept. What
 * arrives is used at once, which confirms it. Who is signed out before a theft signs in again at once, so that every
 * theft finds a live session, under every policy; without a thief the story ends there.
 */
export function createReplay() {
  const family = emptyFamily();
  const now = new Date(0);
  return replay;

  function replay(story: Story, policy: Policy, outcome: Outcome): void {
    outcome.signedOutAt = NEVER;
    outcome.signedOutBy = ARRIVES;
    outcome.thiefGotIn = false;
    outcome.wasRepeatedAfterTheft = false;
    outcome.noticedAt = NEVER;

    signIn(0);
    let stored = 1;
    let before = 1;
    let trouble = ARRIVES;
    let stealsAt = story.hasThief ? story.stolenAt : Number.POSITIVE_INFINITY;
    let thiefComesAt = Number.POSITIVE_INFINITY;
    let stolen = 0;

    for (let event = 0; ; ) {
      const honestAt = event < story.events ? (story.at[event] ?? 0) : Number.POSITIVE_INFINITY;
      if (stealsAt <= honestAt && stealsAt <= thiefComesAt) {
        if (stealsAt >= story.endsAt) return;
        stolen = stored;
        stealsAt = Number.POSITIVE_INFINITY;
        thiefComesAt = story.thiefBeginsAt;
        continue;
      }
      if (thiefComesAt < honestAt) {
        if (thiefComesAt >= story.endsAt) return;
        const newest = family.generation;
        const answer = present(policy, stolen, thiefComesAt);
        if (answer === 0) {
          outcome.noticedAt = thiefComesAt;
          return;
        }
        if (answer === newest) outcome.wasRepeatedAfterTheft = true;
        outcome.thiefGotIn = true;
        stolen = answer;
        confirm(answer);
        thiefComesAt += story.thiefInterval;
        continue;
      }
      if (event >= story.events) return;

      const kind = story.kind[event] ?? ARRIVES;
      event += 1;
      if (kind !== SECOND_TAB) before = stored;
      const newest = family.generation;
      const answer = present(policy, kind === SECOND_TAB ? before : stored, honestAt);
      if (answer === 0) {
        if (stolen > 0) {
          outcome.noticedAt = honestAt;
          return;
        }
        if (outcome.signedOutAt === NEVER) {
          outcome.signedOutAt = honestAt;
          outcome.signedOutBy = kind === SECOND_TAB ? SECOND_TAB : trouble;
        }
        if (!story.hasThief) return;
        signIn(honestAt);
        stored = 1;
        before = 1;
        trouble = ARRIVES;
        continue;
      }
      if (stolen > 0 && answer === newest) outcome.wasRepeatedAfterTheft = true;
      if (kind === ARRIVES || kind === SECOND_TAB) {
        stored = answer;
        confirm(answer);
        trouble = ARRIVES;
      } else {
        if (kind === KILLED_AFTER_USE) confirm(answer);
        // A second answer lost on the way back from a kill is still that kill's trouble.
        if (trouble === ARRIVES) trouble = kind;
      }
    }
  }

  /** A new session: its first token, in the client's hands. */
  function signIn(at: number): void {
    family.generation = 1;
    family.confirmedGeneration = 1;
    family.rotatedAt.setTime(at);
    family.lastAnsweredAt = at;
    family.usedAt[1] = NEVER;
    family.isGrandparent[1] = 0;
    family.parents[1] = 0;
  }

  /** Presents a token and does to the rows what the policy decides. @returns the token of the answer; 0 = ended */
  function present(policy: Policy, presented: number, at: number): number {
    now.setTime(at);
    const decision = policy(family, presented, now);
    if (decision === 'end') return 0;
    family.lastAnsweredAt = at;
    if (decision === 'repeat') return family.generation;

    const issued = family.generation + 1;
    if (issued >= MOST_TOKENS) throw new Error('Too many tokens in one session.');
    if (family.usedAt[presented] === NEVER) family.usedAt[presented] = at;
    family.isGrandparent[family.parents[presented] ?? 0] = 1;
    family.parents[issued] = presented;
    family.usedAt[issued] = NEVER;
    family.isGrandparent[issued] = 0;
    family.generation = issued;
    family.rotatedAt.setTime(at);
    // Who presents a token shows that it arrived; whether the new one did is yet unknown.
    confirm(presented);
    return issued;
  }

  function confirm(token: number): void {
    if (token > family.confirmedGeneration) family.confirmedGeneration = token;
  }
}
