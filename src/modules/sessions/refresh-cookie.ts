import type { CookieSerializeOptions } from '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DomainError } from '../../shared/domain-error.js';

export type RefreshCookieOptions = { secure: boolean; sameSite: 'strict' | 'lax' | 'none' };

export type RefreshCookie = ReturnType<typeof createRefreshCookie>;

/** The cookie that carries refresh tokens: out of reach of scripts, and sent to this very host only (`__Host-`). */
export function createRefreshCookie({ secure, sameSite }: RefreshCookieOptions) {
  // Browsers refuse the prefix without Secure, which plain http in development cannot have (RFC 6265bis §4.1.3.2).
  const name = secure ? '__Host-refresh_token' : 'refresh_token';
  const attributes: CookieSerializeOptions = { path: '/', httpOnly: true, secure, sameSite };

  return {
    name,

    /** @throws DomainError `malformed_request` when the cookie came twice: one of the two was planted */
    read(request: FastifyRequest): string | undefined {
      if (countCookies(request.headers.cookie, name) > 1) {
        throw new DomainError('malformed_request', { detail: `The cookie ${name} came more than once.` });
      }
      return request.cookies[name];
    },

    isCarriedBy: (request: FastifyRequest): boolean => countCookies(request.headers.cookie, name) > 0,

    write(reply: FastifyReply, token: string, maxAgeSeconds: number): void {
      reply.setCookie(name, token, { ...attributes, maxAge: maxAgeSeconds });
    },

    clear(reply: FastifyReply): void {
      reply.setCookie(name, '', { ...attributes, maxAge: 0 });
    },
  };
}

/** How many cookies of a name a Cookie header holds (RFC 6265 §4.2.1). */
export function countCookies(header: string | undefined, name: string): number {
  if (header === undefined) return 0;
  return header.split(';').filter((pair) => pair.split('=', 1)[0]?.trim() === name).length;
}
