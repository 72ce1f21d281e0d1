import type { FastifyReply, FastifyRequest } from 'fastify';
import { countCookies } from '../sessions/refresh-cookie.js';

export type KnownDeviceCookie = ReturnType<typeof createKnownDeviceCookie>;

/** As long as browsers keep any cookie (RFC 6265bis §5.5). */
const MAX_AGE_SECONDS = 400 * 86_400;

/** The cookie that tells a device on which somebody has signed in before. It opens nothing, and outlives signing out. */
export function createKnownDeviceCookie({
  secure,
  sameSite,
}: {
  secure: boolean;
  sameSite: 'strict' | 'lax' | 'none';
}) {
  const name = secure ? '__Host-known_device' : 'known_device';

  return {
    name,

    /** @returns undefined also when the cookie came twice: one of the two was planted, so the device is a stranger */
    read: (request: FastifyRequest): string | undefined =>
      countCookies(request.headers.cookie, name) > 1 ? undefined : request.cookies[name],

    write(reply: FastifyReply, value: string): void {
      reply.setCookie(name, value, { path: '/', httpOnly: true, secure, sameSite, maxAge: MAX_AGE_SECONDS });
    },
  };
}
