import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decideRefresh } from '../../src/modules/sessions/refresh-decision.js';
import type { EndReason } from '../../src/modules/sessions/session.js';

const GRACE_SECONDS = 10;
const RECOVERY_SECONDS = 120;
const IDLE_SECONDS = 300;
const ABSOLUTE_SECONDS = 1_000;

/** What can happen to a session, in any order. */
type Step =
  | { kind: 'wait'; seconds: number }
  /** Present the newest token. */
  | { kind: 'refresh' }
  /** An access token of the newest generation passes the gate. */
  | { kind: 'use' }
  /** Present the token `back` generations before the newest one: a retry, a slow tab, or a thief. */
  | { kind: 'replay'; back: number }
  | { kind: 'guess'; ahead: number }
  | { kind: 'logout' };

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('wait' as const), seconds: fc.nat({ max: 400 }) }),
    fc.record({ kind: fc.constant('wait' as const), seconds: fc.nat({ max: 12 }) }),
    fc.constant({ kind: 'refresh' as const }),
    fc.constant({ kind: 'refresh' as const }),
    fc.constant({ kind: 'use' as const }),
    fc.record({ kind: fc.constant('replay' as const), back: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ kind: fc.constant('guess' as const), ahead: fc.integer({ min: 1, max: 3 }) }),
    fc.constant({ kind: 'logout' as const }),
  ),
  { minLength: 1, maxLength: 60 },
);

test('keeps the promises of rotation through any interleaving of refresh, retry, replay, logout and time', () => {
  fc.assert(
    fc.property(steps, (story) => {
      let now = 0;
      let session = freshSession();
      for (const step of story) {
        if (step.kind === 'wait') {
          now += step.seconds;
          continue;
        }
        if (step.kind === 'use') {
          session = { ...session, confirmedGeneration: session.generation };
          continue;
        }
        const before = session;
        if (step.kind === 'logout') {
          if (session.endReason === null) session = { ...session, endedAt: at(now), endReason: 'logout' };
          continue;
        }
        const presented = presentedBy(step, session.generation);
        const decision = decideRefresh(session, presented, at(now), {
          graceSeconds: GRACE_SECONDS,
          recoverySeconds: RECOVERY_SECONDS,
        });
        session = applied(session, decision.action, now);

        const dead = before.endReason !== null;
        const expired = at(now) >= before.idleExpiresAt || at(now) >= before.expiresAt;
        const sinceRotation = now - before.rotatedAt.getTime() / 1000;

        // What has ended or expired answers with no token, whoever asks and whatever they hold.
        if (dead || expired) expect(['refuse']).toContain(decision.action);
        // Nobody who shows the newest token of a live session is turned away: no random sign-outs.
        if (!dead && !expired && presented === before.generation) expect(decision.action).toBe('rotate');
        // A retry within grace is answered, and moves nothing.
        if (
          !dead &&
          !expired &&
          presented === before.generation - 1 &&
          presented >= 1 &&
          sinceRotation < GRACE_SECONDS
        ) {
          expect(decision.action).toBe('repeat');
        }
        // So is one for a longer while, until somebody has used what it would be given; from then on it is theft.
        const inDoubt = before.confirmedGeneration < before.generation && sinceRotation < RECOVERY_SECONDS;
        if (
          !dead &&
          !expired &&
          presented === before.generation - 1 &&
          presented >= 1 &&
          sinceRotation >= GRACE_SECONDS
        ) {
          expect(decision.action).toBe(inDoubt ? 'repeat' : 'end');
        }
        if (decision.action === 'repeat' || decision.action === 'refuse') expect(session).toEqual(before);
        // Anything older is noticed, for ever.
        if (!dead && !expired && presented >= 1 && presented <= before.generation - 2) {
          expect(decision.action).toBe('end');
        }
        // A token that was never given out touches nothing.
        if (presented > before.generation || presented < 1) expect(decision.action).toBe('refuse');
        // An end is for good, and time lives by the limits.
        if (dead) expect(session.endReason).toBe(before.endReason);
        expect(session.expiresAt).toEqual(before.expiresAt);
        expect(session.idleExpiresAt.getTime()).toBeLessThanOrEqual(session.expiresAt.getTime());
        expect(session.generation - before.generation).toBe(decision.action === 'rotate' ? 1 : 0);
      }
    }),
    { numRuns: 3_000 },
  );
});

function freshSession() {
  return {
    generation: 1,
    confirmedGeneration: 0,
    rotatedAt: at(0),
    idleExpiresAt: at(IDLE_SECONDS),
    expiresAt: at(ABSOLUTE_SECONDS),
    endedAt: null as Date | null,
    endReason: null as EndReason | null,
  };
}

function presentedBy(step: Exclude<Step, { kind: 'wait' | 'use' | 'logout' }>, generation: number): number {
  if (step.kind === 'refresh') return generation;
  return step.kind === 'replay' ? generation - step.back : generation + step.ahead;
}

/** What the statements of the repository do to the row. */
function applied(session: ReturnType<typeof freshSession>, action: string, now: number) {
  if (action === 'end') return { ...session, endedAt: at(now), endReason: 'reuse_detected' as const };
  if (action !== 'rotate') return session;
  const idleExpiresAt = at(Math.min(now + IDLE_SECONDS, ABSOLUTE_SECONDS));
  return {
    ...session,
    generation: session.generation + 1,
    confirmedGeneration: session.generation,
    rotatedAt: at(now),
    idleExpiresAt,
  };
}

function at(seconds: number): Date {
  return new Date(seconds * 1000);
}
