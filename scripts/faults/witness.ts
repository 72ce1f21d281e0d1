import type { Answer } from './ask.js';

/** What the suite knows of one session from the answers it got. */
export type SeenSession = {
  sessionId: string;
  /** Refresh tokens by generation. Two different ones of one generation are a fork. */
  tokens: Map<number, Set<string>>;
  newest: number;
  /** The newest ones. */
  accessTokens: string[];
  /** The service said that it has ended. */
  endConfirmed: boolean;
  /** Reasons for which it may have ended, because the suite gave cause for that. */
  mayEnd: Set<string>;
};

export type Witness = ReturnType<typeof createWitness>;

const REMEMBERED_ACCESS_TOKENS = 3;

/** Remembers what the service has promised, so that it can be held to it when the fault is over. */
export function createWitness() {
  const sessions = new Map<string, SeenSession>();
  const users = new Set<string>();
  const statuses = new Map<number, number>();

  function seen(sessionId: string): SeenSession {
    const known = sessions.get(sessionId);
    if (known !== undefined) return known;
    const fresh: SeenSession = {
      sessionId,
      tokens: new Map(),
      newest: 0,
      accessTokens: [],
      endConfirmed: false,
      mayEnd: new Set(),
    };
    sessions.set(sessionId, fresh);
    return fresh;
  }

  function holds(refreshToken: string): SeenSession {
    const { sessionId, generation } = readRefreshToken(refreshToken);
    const session = seen(sessionId);
    session.tokens.set(generation, (session.tokens.get(generation) ?? new Set()).add(refreshToken));
    session.newest = Math.max(session.newest, generation);
    return session;
  }

  return {
    sessions,
    users,
    statuses,

    /** A refresh token that exists, however it came to be. */
    holds,

    /** Notes an answer and all that it promised. @returns the same answer */
    heard(answer: Answer): Answer {
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      if (answer.status < 200 || answer.status > 299 || answer.refreshToken === undefined) return answer;
      const session = holds(answer.refreshToken);
      if (answer.accessToken !== undefined) {
        session.accessTokens = [answer.accessToken, ...session.accessTokens].slice(0, REMEMBERED_ACCESS_TOKENS);
      }
      const [, userId] = /"user":\{"id":"([^"]+)"/.exec(answer.text) ?? [];
      if (userId !== undefined) users.add(userId);
      return answer;
    },

    /** The suite is about to give cause for this session to end. */
    mayEnd: (sessionId: string, reason: string) => seen(sessionId).mayEnd.add(reason),

    /** The service has said that it has ended. */
    hasEnded(sessionId: string): void {
      seen(sessionId).endConfirmed = true;
    },
  };
}

/** What a refresh token says of itself (its layout is in docs/architecture.md); nobody checks its MAC here. */
export function readRefreshToken(token: string): { sessionId: string; generation: number } {
  const bytes = Buffer.from(token, 'base64url');
  const hex = bytes.toString('hex', 2, 18);
  const sessionId = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  return { sessionId, generation: bytes.readUInt32BE(18) };
}
