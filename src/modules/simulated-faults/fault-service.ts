import { randomUUID } from 'node:crypto';
import { validate as isUuid } from 'uuid';
import type { ClientInfo } from '../../shared/client-info.js';
import type { Clock } from '../../shared/clock.js';
import { DomainError } from '../../shared/domain-error.js';
import type { KeyRing } from '../../shared/key-ring.js';
import { toProblem } from '../../shared/problem.js';
import type { Confirmations } from '../sessions/confirmations.js';
import { encodeRefreshToken } from '../sessions/refresh-token.js';
import type { SessionRepository } from '../sessions/session-repository.js';
import type { SessionService } from '../sessions/session-service.js';
import type { AccessClaims } from '../tokens/access-claims.js';
import type { SigningKeys } from '../tokens/signing-keys.js';
import type { Replayed, SessionState } from './fault-schemas.js';

export type FaultService = ReturnType<typeof createFaultService>;

type FaultServiceOptions = {
  repository: Pick<SessionRepository, 'find'>;
  sessions: Pick<SessionService, 'refresh'>;
  confirmations: Pick<Confirmations, 'waitingFor'>;
  keys: Pick<SigningKeys, 'active'>;
  keyRing: KeyRing;
  /** The database's. */
  clock: Clock;
};

/** Somebody else, as the session's owner will read of them: an address that is nobody's (RFC 5737). */
const THIEF: ClientInfo = { ip: '203.0.113.66', userAgent: 'Thief/1.0' };

/** What only a service on one's own machine may do: makes the tokens that one would otherwise wait for, or steal. */
export function createFaultService(options: FaultServiceOptions) {
  const { repository, sessions, confirmations, keys, keyRing, clock } = options;

  return {
    /** The same claims in a token that has expired a second ago. */
    expireToken(claims: AccessClaims): string {
      const expiresAt = Math.floor(clock.now() / 1000) - 1;
      const issuedAt = expiresAt - (claims.exp - claims.iat);
      return keys.active().sign({ ...claims, iat: issuedAt, exp: expiresAt, jti: randomUUID() });
    },

    /**
     * Presents a refresh token of a session as somebody else would who had kept a copy of it.
     *
     * @returns what they are told, without the tokens
     * @throws DomainError `session_not_found`
     */
    async replay(sessionId: string, generation: number, requestId: string): Promise<Replayed> {
      const { transport } = await find(sessionId);
      try {
        const stolen = encodeRefreshToken({ sessionId, generation }, keyRing.current);
        const grant = await sessions.refresh(stolen, transport, THIEF);
        const { accessExpiresInSeconds: expires_in } = grant;
        return { status: 200, body: { token_type: 'Bearer', expires_in, session: { id: sessionId } } };
      } catch (error) {
        if (!(error instanceof DomainError)) throw error;
        const problem = toProblem(error, requestId);
        return { status: problem.status, body: problem };
      }
    },

    /**
     * Where a session is, ended or not.
     *
     * @throws DomainError `session_not_found`
     */
    async describe(sessionId: string): Promise<SessionState> {
      const session = await find(sessionId);
      // What was noted a moment ago is not written yet.
      const noted = Math.min(confirmations.waitingFor(session.id), session.generation);
      return {
        id: session.id,
        generation: session.generation,
        confirmed_generation: Math.max(session.confirmedGeneration, noted),
        rotated_at: session.rotatedAt.toISOString(),
        ended_at: session.endedAt?.toISOString() ?? null,
        end_reason: session.endReason,
      };
    },
  };

  async function find(sessionId: string) {
    const found = isUuid(sessionId) ? await repository.find(sessionId) : null;
    if (found === null) throw new DomainError('session_not_found');
    return found.session;
  }
}
