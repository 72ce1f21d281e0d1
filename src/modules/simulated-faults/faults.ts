import type { Clock } from '../../shared/clock.js';

export type Faults = ReturnType<typeof createFaults>;

/** Which faults are simulated at the moment. */
export function createFaults(clock: Clock) {
  let losingNextAnswer = false;
  let offlineUntil = Number.NEGATIVE_INFINITY;

  return {
    loseNextAnswer(): void {
      losingNextAnswer = true;
    },

    isLosingNextAnswer: (): boolean => losingNextAnswer,

    /** Whether the answer at hand is the one that is to be lost. True once for each time that one was asked for. */
    takeLoss(): boolean {
      const isLost = losingNextAnswer;
      losingNextAnswer = false;
      return isLost;
    },

    /** From now on, and in place of what was said before; 0 ends it. */
    goOffline(seconds: number): void {
      offlineUntil = clock.now() + seconds * 1000;
    },

    isOffline: (): boolean => clock.now() < offlineUntil,
  };
}
