import type { EndReason, Session } from './session.js';

export type RefreshPolicy = {
  /** For how long after a rotation the token before it is still answered, for parallel tabs. */
  graceSeconds: number;
};

export type RefreshDecision =
  /** The newest token: move to the next generation. */
  | { action: 'rotate' }
  /** The token before it, in time: answer with the newest token again; nothing moves. */
  | { action: 'repeat' }
  /** A token that was replaced long ago: somebody holds a copy. End the session. */
  | { action: 'end' }
  | { action: 'refuse'; code: 'refresh_token_invalid' }
  | { action: 'refuse'; code: 'session_ended'; reason: EndReason }
  | { action: 'refuse'; code: 'session_expired'; reason: 'idle' | 'absolute' };

type RefreshState = Pick<Session, 'generation' | 'rotatedAt' | 'idleExpiresAt' | 'expiresAt' | 'endedAt' | 'endReason'>;

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
  const secondsSinceRotation = (now.getTime() - session.rotatedAt.getTime()) / 1000;
  if (presented === generation - 1 && secondsSinceRotation < policy.graceSeconds) return { action: 'repeat' };
  return { action: 'end' };
}
