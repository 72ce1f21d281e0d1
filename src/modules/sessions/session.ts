/** How a session's refresh token travels: in the HttpOnly cookie, or in JSON bodies (native apps). */
export type Transport = 'cookie' | 'body';

/** Why a session was ended, as answers tell it. */
export type EndReason =
  | 'logout'
  | 'revoked'
  | 'reuse_detected'
  | 'password_changed'
  | 'password_reset'
  | 'account_deleted'
  | 'disabled';

/** One sign-in on one device: the refresh-token family, one row. All times are the database's. */
export type Session = {
  id: string;
  userId: string;
  transport: Transport;
  /** The n of the newest refresh token; only that one, and for a while the one before it, is good. */
  generation: number;
  /** The newest generation that the client is known to have received. */
  confirmedGeneration: number;
  createdAt: Date;
  /** When the person last proved who they are, and how (RFC 8176). */
  authenticatedAt: Date;
  amr: string[];
  rotatedAt: Date;
  idleExpiresAt: Date;
  expiresAt: Date;
  endedAt: Date | null;
  endReason: EndReason | null;
  userAgent: string | null;
  ip: string | null;
};

/** What the token response tells of the session's owner. */
export type SessionUser = { id: string; email: string; emailVerified: boolean; createdAt: Date };

/** A session as one statement found or left it, with its owner and the database's time of that statement. */
export type SessionSnapshot = { session: Session; user: SessionUser; now: Date };
