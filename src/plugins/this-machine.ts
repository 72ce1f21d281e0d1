import type { FastifyRequest } from 'fastify';
import { DomainError } from '../shared/domain-error.js';

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;
const LOCAL_HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i;

/**
 * For what is open to everyone who can reach it, such as the mailbox in memory: answers this machine alone, as though it
 * were not there. By the connection, since the service may listen for the whole network; by the `Host`, since a foreign
 * page can let its own name lead to this machine (DNS rebinding); and never through a proxy or a tunnel.
 *
 * @throws DomainError `not_found`
 */
export async function onlyThisMachine({ socket, headers }: FastifyRequest): Promise<void> {
  const isHere = LOOPBACK.test(socket.remoteAddress ?? '') && LOCAL_HOST.test(headers.host ?? '');
  const isForwarded = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host'].some((name) => name in headers);
  if (!isHere || isForwarded) throw new DomainError('not_found');
}
