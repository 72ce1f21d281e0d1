import type { EndReason, Session } from './session.js';

export type RefreshPolicy = {
  /** For how long after a rotation the token before it is still answered, for parallel tabs. */
  graceSeconds: number;
  /** For how long it is answered while nobody has shown that the answer of that rotation arrived; 0 = never. */
  recoverySeconds: number;
};

export type RefreshDecision =
  /** The newest token: move to the next generation. */
  | { action: 'rotate' }
  /** The token before it, in time or unconfirmed: answer with the newest token again; nothing moves. */
  | { action: 'repeat' }
  /** A token that was replaced long ago: somebody holds a copy. End the session. */
  | { action: 'end' }
  | { action: 'refuse'; code: 'refresh_token_invalid' }
  | { action: 'refuse'; code: 'session_ended'; reason: EndReason }
  | { action: 'refuse'; code: 'session_expired'; reason: 'idle' | 'absolute' };

type RefreshState = Pick<
  Session,
  'generation' | 'confirmedGeneration' | 'rotatedAt' | 'idleExpiresAt' | 'expiresAt' | 'endedAt' | 'endReason'
>;

/**
 * What to do when token `presented` of a session comes in (RFC 9700 §4.14.2).
 * A pure function of the row, the presented generation and the database's time: all of the rotation rule is here.
 *
 * The one thing that it leaves to the database is to make `rotate` happen at most once, by a conditional update.
 */
export function decideRefresh(
  session: RefreshState,
  presented: number,
  now: Date,
  policy: RefreshPolicy,
): RefreshDecision {
  const { generation, endReason } = session;
  if (presented > generation || presented < 1) return { action: 'refuse', code: 'refresh_token_invalid' };
  if (endReason !== null) return { action: 'refuse', code: 'session_ended', reason: endReason };
  if (now >= session.expiresAt) return { action: 'refuse', code: 'session_expired', reason: 'absolute' };
  if (now >= session.idleExpiresAt) return { action: 'refuse', code: 'session_expired', reason: 'idle' };

  if (presented === generation) return { action: 'rotate' };
  if (presented === generation - 1 && mayRepeat(session, now, policy)) return { action: 'repeat' };
  return { action: 'end' };
}

/**
 * Whether the token before the newest one may still be a retry: just after the rotation always, for parallel tabs; and
 * for longer while the newest generation is unconfirmed, for then its answer may have been lost. Once somebody has used
 * that answer, whoever comes with the older token is somebody else.
 */
function mayRepeat(session: RefreshState, now: Date, policy: RefreshPolicy): boolean {
  const secondsSinceRotation = (now.getTime() - session.rotatedAt.getTime()) / 1000;
  const isConfirmed = session.confirmedGeneration === session.generation;
  return secondsSinceRotation < policy.graceSeconds || (!isConfirmed && secondsSinceRotation < policy.recoverySeconds);
}
