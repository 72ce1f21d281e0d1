import { decode } from './access-token.js';

/** What one side said to the other, in a few words and without any secret. */
export type Said = { label: string; carries: string; isBad: boolean };

const BODIES: Record<string, string> = {
  '/v1/auth/register': 'address, password',
  '/v1/auth/login': 'address, password',
  '/v1/auth/mfa': 'a code',
  '/v1/auth/reauthenticate': 'password',
  '/v1/auth/password/forgot': 'address',
  '/v1/auth/password/reset': 'one-time token, new password',
  '/v1/auth/email/verify': 'one-time token',
  '/v1/auth/email/resend': 'address',
  '/v1/auth/email/change/confirm': 'one-time token',
};

const BY_COOKIE = /^\/v1\/auth\/(refresh|logout)$/;

/** @param inCookie which refresh token the browser's cookie holds, as far as this page can know: scripts cannot read it */
export function describeRequest({ method, url, headers }: Request, inCookie: number | null): Said {
  const { pathname, search } = new URL(url);
  const bearer = decode(headers.get('authorization')?.replace(/^Bearer /, ''));
  const hasExpired = bearer && bearer.claims.exp * 1000 < Date.now();
  const carries = [
    bearer && `access token ${bearer.claims.gen}${hasExpired ? ', expired' : ''}`,
    BODIES[pathname],
    BY_COOKIE.test(pathname) && `cookie: refresh token ${inCookie ?? ''}`.trim(),
  ];
  // Of ids the first digits are enough to tell them apart.
  const path = pathname.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, (id) => `${id.slice(0, 8)}…`);
  return { label: `${method} ${path}${search}`, carries: carries.filter(Boolean).join(' · '), isBad: false };
}

/** @param body what was answered as JSON, if anything */
export function describeAnswer(status: number, body: unknown): Said {
  const answer = (body ?? {}) as Record<string, unknown>;
  if (status >= 400) {
    const { code = '', reason = '' } = answer;
    return { label: `${status} ${code}`.trim(), carries: String(reason), isBad: true };
  }
  return { label: String(status), carries: contentOf(answer), isBad: false };
}

/** Which generation came with an answer. The cookie of the same number came along, where no script sees it. */
export function generationIn(body: unknown): number | null {
  const token = (body as { access_token?: unknown } | null)?.access_token;
  return typeof token === 'string' ? (decode(token)?.claims.gen ?? null) : null;
}

function contentOf(answer: Record<string, unknown>): string {
  const generation = generationIn(answer);
  if (generation !== null) return `access token ${generation} · Set-Cookie: refresh token ${generation}`;
  if (answer.mfa_required) return 'a second factor, please';
  if (Array.isArray(answer.sessions)) return count(answer.sessions, 'session');
  if (Array.isArray(answer.events)) return count(answer.events, 'event');
  if (typeof answer.email === 'string') return answer.email;
  return '';
}

function count(things: unknown[], name: string): string {
  return `${things.length} ${name}${things.length === 1 ? '' : 's'}`;
}
