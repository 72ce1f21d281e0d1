import { validate as isUuid } from 'uuid';
import type { ClientInfo } from '../../shared/client-info.js';
import { DomainError } from '../../shared/domain-error.js';
import type { KeyRing } from '../../shared/key-ring.js';
import type { EndedSessions } from '../revocation/ended-sessions.js';
import type { AccessTokens } from '../tokens/access-tokens.js';
import type { Confirmations } from './confirmations.js';
import { decideRefresh, type RefreshPolicy } from './refresh-decision.js';
import { decodeRefreshToken, encodeRefreshToken, type RefreshTokenContent } from './refresh-token.js';
import type { RotationBatches } from './rotation-batches.js';
import type { Session, SessionSnapshot, SessionUser, Transport } from './session.js';
import type { EndedSession } from './session-endings-repository.js';
import type { NewSession, Renewal, SessionRepository } from './session-repository.js';

type SessionPolicy = RefreshPolicy & {
  idleSeconds: number;
  absoluteSeconds: number;
  /** Live sessions that one person may have; past it the oldest ends. */
  maxPerUser: number;
};

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

type ReuseIncident = { session: Session; user: SessionUser; presentedGeneration: number; client: ClientInfo };

/** What ended before that can still matter to an access token: longer ago than any lives. */
const ENDED_LATELY_SECONDS = 2 * 3_600;

/** Who has proved who they are, and by what. */
export type ProvenPerson = Pick<NewSession, 'userId' | 'passwordVersion' | 'amr'>;

export type SessionService = ReturnType<typeof createSessionService>;

type SessionServiceOptions = {
  repository: SessionRepository;
  rotations: Pick<RotationBatches, 'rotate'>;
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
  const { repository, rotations, keyRing, accessTokens, confirmations, endedSessions, policy, onRefresh, onReuse } =
    options;

  return {
    /**
     * Opens a session for a person who has just proved who they are.
     *
     * @throws DomainError `invalid_credentials` when the password was changed meanwhile
     */
    async open(proven: ProvenPerson, transport: Transport, client: ClientInfo): Promise<TokenGrant> {
      const { idleSeconds, absoluteSeconds, maxPerUser } = policy;
      const opened = await repository.insert({ ...proven, transport, ...client, idleSeconds, absoluteSeconds });
      if (opened === null) throw new DomainError('invalid_credentials');
      const ending = { reason: 'revoked', client: null } as const;
      for (const ended of await repository.endOldest(proven.userId, maxPerUser, ending)) note(ended);
      return grant(opened);
    },

    /**
     * A new token response within a session, for its owner who has just proved anew who they are.
     *
     * @throws DomainError `invalid_credentials` when the password was changed meanwhile, `session_ended`, `session_expired`
     */
    async renew(renewal: Omit<Renewal, 'idleSeconds'>): Promise<TokenGrant> {
      const renewed = await repository.renew({ ...renewal, idleSeconds: policy.idleSeconds });
      if (renewed !== null) return grant(renewed);
      throw (await whyEnded(renewal.sessionId)) ?? new DomainError('invalid_credentials');
    },

    /** What to tell the caller whose session a transaction found over; null when it is not. */
    whyEnded,

    /**
     * Takes a refresh token and gives the next one (RFC 9700 §4.14.2; the table in `docs/architecture.md`).
     *
     * @throws DomainError `refresh_token_invalid`, `refresh_token_reused`, `session_expired`, `session_ended`
     */
    async refresh(refreshToken: string, transport: Transport, client: ClientInfo): Promise<TokenGrant> {
      const presented = decodeRefreshToken(refreshToken, keyRing);
      if (presented === null) throw refused('refresh_token_invalid');
      const { sessionId, generation } = presented;
      const rotated = await rotations.rotate({ sessionId, generation, transport });
      if (rotated === null) return answerUnrotated(presented, transport, client);
      onRefresh('rotated');
      return grant(rotated);
    },

    /** Ends every session that a token names: expired tokens and replaced ones still do, whatever is no token does not. */
    async logOut(
      tokens: { refreshTokens: string[]; accessToken: string | undefined },
      client: ClientInfo,
    ): Promise<void> {
      const named = new Set<string>();
      for (const token of tokens.refreshTokens) {
        const presented = decodeRefreshToken(token, keyRing);
        if (presented) named.add(presented.sessionId);
      }
      const claims = tokens.accessToken && (await claimsOrNull(tokens.accessToken));
      if (claims) named.add(claims.sid);
      const ending = { reason: 'logout', client } as const;
      for (const sessionId of named) note((await repository.end(sessionId, ending)) ?? (await findEnded(sessionId)));
    },

    /** The person's live sessions, newest first. */
    list: (userId: string): Promise<Session[]> => repository.listLive(userId),

    /** @throws DomainError `session_not_found`, also when the session is someone else's */
    async endOne(userId: string, sessionId: string, client: ClientInfo): Promise<void> {
      const ending = { reason: 'revoked', client } as const;
      const ended = isUuid(sessionId) ? await repository.endOwn(userId, sessionId, ending) : null;
      if (ended === null) {
        if (isUuid(sessionId)) note(await findEnded(sessionId));
        throw new DomainError('session_not_found');
      }
      note(ended);
    },

    /** Ends all sessions of a person, or all but one. */
    async endAll(userId: string, client: ClientInfo, exceptSessionId: string | null): Promise<void> {
      for (const ended of await repository.endAllOf(userId, { reason: 'revoked', client }, exceptSessionId))
        note(ended);
      // Whoever asks again because the answer was lost must not be told that it is done by an instance that has not heard.
      for (const ended of await repository.listEndedOf(userId, ENDED_LATELY_SECONDS)) note(ended);
    },

    /** What a transaction has ended, once it is committed: refused by this instance from now on. */
    noteEnded: (ended: readonly EndedSession[]): void => ended.forEach(note),

    /** The token response of a session as a transaction left it, once that is committed. */
    grant,
  };

  /** The presented token was not the newest one of a live session: find out what it is, and answer that. */
  async function answerUnrotated(
    presented: RefreshTokenContent,
    transport: Transport,
    client: ClientInfo,
  ): Promise<TokenGrant> {
    const found = await repository.find(presented.sessionId);
    if (found === null) {
      // Gone with its owner, if that was not long ago.
      const ended = await findEnded(presented.sessionId);
      note(ended);
      throw ended === null ? refused('refresh_token_invalid') : refused('session_ended', ended.reason);
    }
    if (found.session.transport !== transport) throw refused('refresh_token_invalid');
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
        if (ended)
          onReuse({ session: found.session, user: found.user, presentedGeneration: presented.generation, client });
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
      authenticatedAt: session.authenticatedAt,
      amr: session.amr,
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

  async function whyEnded(sessionId: string): Promise<DomainError | null> {
    const ended = await findEnded(sessionId);
    if (ended !== null) {
      note(ended);
      return refusedAtGate('session_ended', ended.reason);
    }
    const found = await repository.find(sessionId);
    // A row that is gone went with its owner.
    if (found === null) return refusedAtGate('session_ended', 'account_deleted');
    const { expiresAt, idleExpiresAt } = found.session;
    if (found.now >= expiresAt) return refusedAtGate('session_expired', 'absolute');
    return found.now >= idleExpiresAt ? refusedAtGate('session_expired', 'idle') : null;
  }

  function refusedAtGate(code: 'session_ended' | 'session_expired', reason: string): DomainError {
    return new DomainError(code, { reason, bearerError: 'invalid_token' });
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
    const reason = await repository.findEndReason(sessionId);
    return reason && { sessionId, reason };
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
