import type { Api } from './api.js';
import { byId, make, timeOf } from './dom.js';
import { createPanel, type Panel } from './panel.js';

type AccountEvent = {
  type: string;
  ip: string | null;
  user_agent: string | null;
  created_at: string;
};

const SHOWN = 8;

const WORDS: Record<string, string> = {
  register: 'Account made',
  login: 'Signed in',
  login_failed: 'A wrong password',
  reauthenticated: 'Proved who you are once more',
  refresh_reuse: 'A copied refresh token came back',
  logout: 'Signed out',
  session_ended: 'A session was ended',
  password_changed: 'Password changed',
  password_reset: 'New password by mail',
  email_verified: 'Address verified',
  email_change_requested: 'Another address asked for',
  email_changed: 'Address changed',
  mfa_enabled: 'Second factor on',
  mfa_disabled: 'Second factor off',
  mfa_failed: 'A wrong code',
  mfa_recovery_codes_renewed: 'New recovery codes',
  mfa_recovery_code_used: 'A recovery code was used',
};
const ALARMING = new Set(['refresh_reuse', 'login_failed', 'mfa_failed']);

/** What the server has recorded about the account, for its owner. */
export function createEventsPanel(api: Api): Panel {
  const body = byId('events-body');
  const reload = byId('events-reload');
  const panel = createPanel(
    body,
    () => api.own<{ events: AccountEvent[] }>('GET', `/v1/me/events?limit=${SHOWN}`),
    ({ events }) => [make('ul', { class: 'rows' }, ...events.map(row))],
  );
  reload.addEventListener('click', () => void panel.load());
  return {
    load() {
      reload.hidden = false;
      return panel.load();
    },
    empty(text) {
      reload.hidden = true;
      panel.empty(text);
    },
  };
}

function row({ type, ip, user_agent, created_at }: AccountEvent): HTMLLIElement {
  // Browsers all claim to be Mozilla, at length; what does not is worth a look.
  const agent = user_agent?.startsWith('Mozilla/') ? null : user_agent;
  return make(
    'li',
    { 'data-bad': ALARMING.has(type) },
    make(
      'div',
      {},
      make('strong', {}, WORDS[type] ?? type),
      make('p', { class: 'quiet' }, make('code', {}, type), ' · ', timeOf(created_at)),
      make('p', { class: 'quiet' }, ip && `from ${ip}`, agent && `, ${agent}`),
    ),
  );
}
