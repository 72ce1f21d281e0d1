import { Agent, request } from 'node:http';

export type Answer = {
  /** 0: the connection broke, or nothing came in time. */
  status: number;
  milliseconds: number;
  /** When it came, by `performance.now()`. */
  at: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  /** Of a problem document. */
  code: string | undefined;
  accessToken: string | undefined;
  refreshToken: string | undefined;
  sessionId: string | undefined;
  /** What broke the connection: ECONNREFUSED, ECONNRESET, … */
  broke: string | undefined;
  /** Whether the request went over a connection that had been used before. */
  reused: boolean;
};

export type Question = {
  method?: 'GET' | 'POST' | 'DELETE';
  path: string;
  accessToken?: string;
  refreshToken?: string;
  body?: object;
  headers?: Record<string, string>;
  /** Kept-open connections; a new connection for this question alone unless given. */
  agent?: Agent;
};

/** Longer than any answer may take; what does not come within it counts as lost. */
const GIVE_UP_MS = 15_000;
export const COOKIE = 'refresh_token';

/** Asks the service, and never throws: a connection that breaks is an answer too. */
export function ask(url: string, question: Question): Promise<Answer> {
  const { method = 'GET', path, accessToken, refreshToken, body, agent } = question;
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const headers = {
    ...(accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }),
    ...(refreshToken === undefined ? {} : { cookie: `${COOKIE}=${refreshToken}` }),
    ...(payload === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(payload)) }),
    ...question.headers,
  };
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const sent = request(`${url}${path}`, { method, headers, agent: agent ?? new Agent() }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('error', broken);
      response.on('end', () => finish(response.statusCode ?? 0, text, response.headers));
    });
    const finish = (status: number, text: string, received: Answer['headers'], broke?: string) => {
      const at = performance.now();
      const json = parse(text);
      const set = [received['set-cookie'] ?? []].flat().find((cookie) => cookie.startsWith(`${COOKIE}=`));
      resolve({
        status,
        milliseconds: at - startedAt,
        at,
        headers: received,
        text,
        code: json.code,
        accessToken: json.access_token,
        refreshToken: set?.slice(COOKIE.length + 1).split(';')[0] || undefined,
        sessionId: json.session?.id,
        broke,
        reused: sent.reusedSocket,
      });
    };
    const broken = (error: NodeJS.ErrnoException) => finish(0, '', {}, error.code ?? error.message);
    sent.setTimeout(GIVE_UP_MS, () => sent.destroy(Object.assign(new Error('no answer'), { code: 'NO_ANSWER' })));
    sent.once('error', broken);
    sent.end(payload);
  });
}

type Json = { code?: string; access_token?: string; session?: { id: string } };

function parse(text: string): Json {
  try {
    return (JSON.parse(text) as Json | null) ?? {};
  } catch {
    return {};
  }
}

/** Exchanges a refresh token. */
export function refresh(url: string, refreshToken: string, agent?: Agent): Promise<Answer> {
  return ask(url, { method: 'POST', path: '/v1/auth/refresh', refreshToken, ...(agent ? { agent } : {}) });
}

export function me(url: string, accessToken: string, agent?: Agent): Promise<Answer> {
  return ask(url, { path: '/v1/me', accessToken, ...(agent ? { agent } : {}) });
}

export function logOut(url: string, refreshToken: string, agent?: Agent): Promise<Answer> {
  return ask(url, { method: 'POST', path: '/v1/auth/logout', refreshToken, ...(agent ? { agent } : {}) });
}

/** The value below which so large a share of the values lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
