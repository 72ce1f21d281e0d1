import { validate as isUuid } from 'uuid';
import { DomainError } from '../../shared/domain-error.js';
import type { KeyRing } from '../../shared/key-ring.js';
import type { EndedSessions } from '../revocation/ended-sessions.js';
import type { AccessTokens } from '../tokens/access-tokens.js';
import type { Confirmations } from './confirmations.js';
import { decideRefresh, type RefreshPolicy } from './refresh-decision.js';
import { decodeRefreshToken, encodeRefreshToken, type RefreshTokenContent } from './refresh-token.js';
import type { EndReason, Session, SessionSnapshot, SessionUser, Transport } from './session.js';
import type { EndedSession, SessionRepository } from './session-repository.js';

type SessionPolicy = RefreshPolicy & {
  idleSeconds: number;
  absoluteSeconds: number;
  /** Live sessions that one person may have; past it the oldest ends. */
  maxPerUser: number;
};

/** Where a request came from, as far as it is told to the session's owner. */
export type ClientInfo = { ip: string | null; userAgent: string | null };

/** What a client gets when it signs in or refreshes. */
export type TokenGrant = {
  accessToken: string;
  accessExpiresInSeconds: number;
  refreshToken: string;
  /** Until the earlier of idle and absolute expiry. */
  refreshExpiresInSeconds: number;
  session: Session;
  user: SessionUser;
};

type ReuseIncident = { session: Session; presentedGeneration: number; client: ClientInfo };

export type SessionService = ReturnType<typeof createSessionService>;

type SessionServiceOptions = {
  repository: SessionRepository;
  keyRing: KeyRing;
  accessTokens: Pick<AccessTokens, 'issue' | 'verifyEvenExpired'>;
  confirmations: Pick<Confirmations, 'waitingFor'>;
  endedSessions: Pick<EndedSessions, 'add'>;
  policy: SessionPolicy;
  /** Called for each refresh with what came of it. */
  onRefresh: (outcome: 'rotated' | 'repeated' | 'reused' | 'refused') => void;
  /** Called once for each session that reuse ended, after that is committed. */
  onReuse: (incident: ReuseIncident) => void;
};

/** Opens, refreshes, lists and ends sessions. */
export function createSessionService(options: SessionServiceOptions) {
  const { repository, keyRing, accessTokens, confirmations, endedSessions, policy, onRefresh, onReuse } = options;

  return {
    /** Opens a session for a person who has just proved who they are. */
    async open(userId: string, transport: Transport, client: ClientInfo): Promise<TokenGrant> {
      const { idleSeconds, absoluteSeconds } = policy;
      const opened = await repository.insert({ userId, transport, ...client, idleSeconds, absoluteSeconds });
      for (const ended of await repository.endOldest(userId, policy.maxPerUser, 'revoked')) note(ended);
      return grant(opened);
    },

    /**
     * Takes a refresh token and gives the next one (RFC 9700 §4.14.2; the table in `docs/architecture.md`).
     *
     * @throws DomainError `refresh_token_invalid`, `refresh_token_reused`, `session_expired`, `session_ended`
     */
    async refresh(refreshToken: string, transport: Transport, client: ClientInfo): Promise<TokenGrant> {
      const presented = decodeRefreshToken(refreshToken, keyRing);
      if (presented === null) throw refused('refresh_token_invalid');
      const { sessionId, generation } = presented;
      const rotated = await repository.rotate(sessionId, generation, transport, policy.idleSeconds);
      if (rotated === null) return answerUnrotated(presented, transport, client);
      onRefresh('rotated');
      return grant(rotated);
    },

    /** Ends every session that a token names: expired tokens and replaced ones still do, whatever is no token does not. */
    async logOut(tokens: { refreshTokens: string[]; accessToken: string | undefined }): Promise<void> {
      const named = new Set<string>();
      for (const token of tokens.refreshTokens) {
        const presented = decodeRefreshToken(token, keyRing);
        if (presented) named.add(presented.sessionId);
      }
      const claims = tokens.accessToken && (await claimsOrNull(tokens.accessToken));
      if (claims) named.add(claims.sid);
      for (const sessionId of named) note((await repository.end(sessionId, 'logout')) ?? (await findEnded(sessionId)));
    },

    /** The person's live sessions, newest first. */
    list: (userId: string): Promise<Session[]> => repository.listLive(userId),

    /** @throws DomainError `session_not_found`, also when the session is someone else's */
    async endOne(userId: string, sessionId: string): Promise<void> {
      const ended = isUuid(sessionId) ? await repository.endOwn(userId, sessionId, 'revoked') : null;
      if (ended === null) {
        if (isUuid(sessionId)) note(await findEnded(sessionId));
        throw new DomainError('session_not_found');
      }
      note(ended);
    },

    /** Ends all sessions of a person, or all but one. */
    async endAll(userId: string, reason: EndReason, exceptSessionId: string | null): Promise<void> {
      for (const ended of await repository.endAllOf(userId, reason, exceptSessionId)) note(ended);
    },
  };

  /** The presented token was not the newest one of a live session: find out what it is, and answer that. */
  async function answerUnrotated(
    presented: RefreshTokenContent,
    transport: Transport,
    client: ClientInfo,
  ): Promise<TokenGrant> {
    const found = await repository.find(presented.sessionId);
    if (found === null || found.session.transport !== transport) throw refused('refresh_token_invalid');
    const decision = decideRefresh(withNotes(found.session), presented.generation, found.now, policy);
    switch (decision.action) {
      case 'repeat':
        onRefresh('repeated');
        return grant(found);
      case 'end': {
        // Committed before anything is thrown: an error must never take the ending back.
        const ended = await repository.endForReuse({
          sessionId: presented.sessionId,
          presentedGeneration: presented.generation,
          ...client,
        });
        note(ended ?? (await findEnded(presented.sessionId)));
        if (ended) onReuse({ session: found.session, presentedGeneration: presented.generation, client });
        onRefresh('reused');
        throw new DomainError('refresh_token_reused');
      }
      case 'rotate':
        // The update found nothing to move, yet now there is: the database came back from the past. Let the client retry.
        throw new DomainError('unavailable', { retryAfterSeconds: 1 });
      case 'refuse':
        if (decision.code === 'session_ended') note({ sessionId: found.session.id, reason: decision.reason });
        throw refused(decision.code, 'reason' in decision ? decision.reason : undefined);
    }
  }

  function grant({ session, user, now }: SessionSnapshot): TokenGrant {
    const access = accessTokens.issue({
      userId: user.id,
      sessionId: session.id,
      generation: session.generation,
      authenticatedAt: session.createdAt,
      now,
      sessionExpiresAt: session.expiresAt,
    });
    const refreshExpiresAt = Math.min(session.idleExpiresAt.getTime(), session.expiresAt.getTime());
    return {
      accessToken: access.token,
      accessExpiresInSeconds: access.expiresInSeconds,
      refreshToken: encodeRefreshToken({ sessionId: session.id, generation: session.generation }, keyRing.current),
      refreshExpiresInSeconds: Math.max(0, Math.floor((refreshExpiresAt - now.getTime()) / 1000)),
      session,
      user,
    };
  }

  function refused(code: 'refresh_token_invalid' | 'session_ended' | 'session_expired', reason?: string): DomainError {
    onRefresh('refused');
    return new DomainError(code, reason === undefined ? {} : { reason });
  }

  /** What this instance has seen used a moment ago may not be written yet. */
  function withNotes(session: Session): Session {
    const noted = Math.min(confirmations.waitingFor(session.id), session.generation);
    return { ...session, confirmedGeneration: Math.max(session.confirmedGeneration, noted) };
  }

  /**
   * A session that was ended before, if it was. Whoever ends it again may never have heard that it worked (the answer
   * was lost), and this instance may not have heard of it either: what answers must refuse its access tokens at once.
   */
  async function findEnded(sessionId: string): Promise<EndedSession | null> {
    const reason = (await repository.find(sessionId))?.session.endReason;
    return reason ? { sessionId, reason } : null;
  }

  function note(ended: EndedSession | null): void {
    if (ended) endedSessions.add(ended.sessionId, ended.reason);
  }

  async function claimsOrNull(accessToken: string) {
    try {
      return await accessTokens.verifyEvenExpired(accessToken);
    } catch (error) {
      if (error instanceof DomainError) return null;
      throw error;
    }
  }
}
