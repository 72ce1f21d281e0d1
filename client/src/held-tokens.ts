import type { TokenResponse } from './api.js';

export type HeldTokens = TokenResponse & {
  /** Milliseconds until the access token expires. */
  left(): number;
  /** Milliseconds until it should be replaced: a while before it expires. */
  dueIn(): number;
};

/**
 * Measures by the server's relative lifetime, and never compares this machine's clock with the server's.
 *
 * @param ageMs how long ago it was answered, where another tab received it
 */
export function holdTokens(answer: TokenResponse, ageMs: number): HeldTokens {
  const lifetime = answer.expires_in * 1_000;
  const [ticks, time] = [performance.now(), Date.now()];
  // The monotonic clock of some systems stands still in sleep; the other one may be set back. The later one is right.
  const left = () => lifetime - ageMs - Math.max(performance.now() - ticks, Date.now() - time);
  return { ...answer, left, dueIn: () => left() - Math.min(60_000, lifetime / 5) };
}
