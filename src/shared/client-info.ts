import type { FastifyRequest } from 'fastify';

const MAX_USER_AGENT_CHARACTERS = 256;

/** Where a request came from. The user agent is foreign text: cut, and nothing but printable ASCII is kept. */
export function readClientInfo(request: FastifyRequest): { ip: string | null; userAgent: string | null } {
  const userAgent = request.headers['user-agent'];
  return {
    ip: request.ip ?? null,
    userAgent: userAgent?.slice(0, MAX_USER_AGENT_CHARACTERS).replace(/[^\x20-\x7e]/g, '?') ?? null,
  };
}
