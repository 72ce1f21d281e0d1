import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';

const MAX_USER_AGENT_CHARACTERS = 256;

/** Where a request came from, as far as it is told to the account's owner. */
export type ClientInfo = { ip: string | null; userAgent: string | null };

/** Both are foreign text until they are read here. */
export function readClientInfo(request: FastifyRequest): ClientInfo {
  const userAgent = request.headers['user-agent'];
  return {
    ip: readAddress(request.ip),
    // Cut, and nothing is kept but printable ASCII.
    userAgent: userAgent?.slice(0, MAX_USER_AGENT_CHARACTERS).replace(/[^\x20-\x7e]/g, '?') ?? null,
  };
}

/**
 * A client's address as Postgres can store it: without the zone of a link-local one, and an IPv4 that came over IPv6 as
 * what it is. @returns null for what is no address: a proxy may send `unknown`, or an address with a port
 */
export function readAddress(text: string | undefined): string | null {
  const address = text?.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '') ?? '';
  return isIP(address) ? address : null;
}
