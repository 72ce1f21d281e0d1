import type { Clock } from '../../shared/clock.js';

export type Faults = ReturnType<typeof createFaults>;

const LOSING_MS = 60_000;

/** Which faults are simulated at the moment. */
export function createFaults(clock: Clock) {
  let losingUntil = Number.NEGATIVE_INFINITY;
  let offlineUntil = Number.NEGATIVE_INFINITY;
  const isLosingNextAnswer = () => clock.now() < losingUntil;

  return {
    /** Within a minute: later, nobody would know why. */
    loseNextAnswer(): void {
      losingUntil = clock.now() + LOSING_MS;
    },

    isLosingNextAnswer,

    /** Whether the answer at hand is the one that is to be lost. True once for each time that one was asked for. */
    takeLoss(): boolean {
      const isLost = isLosingNextAnswer();
      losingUntil = Number.NEGATIVE_INFINITY;
      return isLost;
    },

    /** From now on, and in place of what was said before; 0 ends it. */
    goOffline(seconds: number): void {
      offlineUntil = clock.now() + seconds * 1000;
    },

    isOffline: (): boolean => clock.now() < offlineUntil,
  };
}
