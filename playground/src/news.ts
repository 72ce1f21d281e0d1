import { byId } from './dom.js';

/** Says under "You" what came of what was asked for; read out, politely, where that is wanted. */
export function say(text: string): void {
  byId('news').textContent = text;
}

/** For those who do not see the diagram: the gist of what happens by itself. */
export function announce(text: string): void {
  byId('announcer').textContent = text;
}

/** Why somebody is signed out, by the contract's reasons. */
const REASONS: Record<string, string> = {
  logout: 'You signed out.',
  revoked: 'You were signed out: this session was ended from a list of sessions.',
  reuse_detected: 'You were signed out for safety: somebody else used a copy of your refresh token.',
  password_changed: 'You were signed out: the password was changed somewhere else.',
  password_reset: 'You were signed out: a new password was chosen by mail.',
  account_deleted: 'The account is gone.',
  disabled: 'The account was disabled by an operator.',
  idle: 'You were signed out: nobody was here for too long.',
  absolute: 'You were signed out: a session does not last for ever.',
  refresh_token_missing: 'There is no session in this browser any more.',
};

export function reasonInWords(reason: string): string {
  return REASONS[reason] ?? `You were signed out: ${reason}.`;
}
