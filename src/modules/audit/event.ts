import type { ClientInfo } from '../../shared/client-info.js';

/** What can happen to an account. */
export const EVENT_TYPES = [
  'register',
  'login',
  'login_failed',
  'reauthenticated',
  'refresh_reuse',
  'logout',
  'session_ended',
  'password_changed',
  'password_reset',
  'email_verified',
  'email_change_requested',
  'email_changed',
  'mfa_enabled',
  'mfa_disabled',
  'mfa_failed',
  'mfa_recovery_codes_renewed',
  'mfa_recovery_code_used',
  'account_disabled',
  'account_enabled',
  'account_deleted',
] as const;

export type EventType = (typeof EVENT_TYPES)[number];

/** Short, and never a secret: the account's owner reads it. */
export type EventDetails = Record<string, string | number | boolean | string[]>;

export type NewEvent = {
  type: EventType;
  userId: string;
  sessionId?: string | null;
  /** Where the request came from that made it happen; none for what nobody asked for. */
  client: ClientInfo | null;
  details?: EventDetails;
};

/** Something that happened, as it is kept. */
export type Event = {
  id: string;
  type: EventType;
  sessionId: string | null;
  ip: string | null;
  userAgent: string | null;
  createdAt: Date;
  details: EventDetails;
};
