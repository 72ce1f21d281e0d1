/** Numbers that look random and are the same for the same seed. */
export type Random = {
  /** Evenly from 0 up to, not including, 1. */
  next(): number;
  between(from: number, to: number): number;
  /** Waiting times without memory, of that mean. */
  exponential(mean: number): number;
  /** Evenly by order of magnitude: as often between 1 and 10 minutes as between 10 and 100. */
  logBetween(from: number, to: number): number;
};

/**
 * Chris Doty-Humphrey's sfc32, from a seed and the number of a stream of that seed.
 * Each session has a stream of its own, so that a change in one session's life moves no other.
 */
export function createRandom(seed: number, stream: number): Random {
  let a = seed | 0;
  let b = stream | 0;
  let c = 0x9e3779b9 | 0;
  let counter = 1;
  for (let round = 0; round < 12; round += 1) next();
  return { next, between, exponential, logBetween };

  function next(): number {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4_294_967_296;
  }

  function between(from: number, to: number): number {
    return from + next() * (to - from);
  }

  function exponential(mean: number): number {
    return -mean * Math.log(1 - next());
  }

  function logBetween(from: number, to: number): number {
    return from * (to / from) ** next();
  }
}
