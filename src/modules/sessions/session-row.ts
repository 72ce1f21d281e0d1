import type { EndReason, Session, SessionSnapshot, SessionUser, Transport } from './session.js';

/** A session, its owner and the time, as Postgres names them. */
export type SnapshotRow = {
  id: string;
  user_id: string;
  transport: Transport;
  generation: number;
  confirmed_generation: number;
  created_at: Date;
  authenticated_at: Date;
  amr: string[];
  rotated_at: Date;
  idle_expires_at: Date;
  expires_at: Date;
  ended_at: Date | null;
  end_reason: EndReason | null;
  user_agent: string | null;
  ip: string | null;
  email: string;
  email_verified_at: Date | null;
  user_created_at: Date;
  now: Date;
};

export function toSnapshot(row: SnapshotRow): SessionSnapshot {
  const session: Session = {
    id: row.id,
    userId: row.user_id,
    transport: row.transport,
    generation: row.generation,
    confirmedGeneration: row.confirmed_generation,
    createdAt: row.created_at,
    authenticatedAt: row.authenticated_at,
    amr: row.amr,
    rotatedAt: row.rotated_at,
    idleExpiresAt: row.idle_expires_at,
    expiresAt: row.expires_at,
    endedAt: row.ended_at,
    endReason: row.end_reason,
    userAgent: row.user_agent,
    ip: row.ip,
  };
  const user: SessionUser = {
    id: row.user_id,
    email: row.email,
    emailVerified: row.email_verified_at !== null,
    createdAt: row.user_created_at,
  };
  return { session, user, now: row.now };
}
