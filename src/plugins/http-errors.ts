import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import fastifyPlugin from 'fastify-plugin';
import { DomainError } from '../shared/domain-error.js';
import type { ErrorCode } from '../shared/error-codes.js';
import { PROBLEM_CONTENT_TYPE, toProblem } from '../shared/problem.js';

const NODE_ERRORS: Record<string, ErrorCode> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

/**
 * Answers what Node's HTTP parser could not read, and what therefore never became a request: a problem document,
 * written to the bare socket, which is then closed.
 */
export function answerUnreadable(
  error: NodeJS.ErrnoException,
  socket: Socket,
  { log, commonHeaders }: FastifyInstance,
): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  if (!socket.writable) {
    socket.destroy(error);
    return;
  }
  const problem = toProblem(new DomainError(NODE_ERRORS[error.code ?? ''] ?? 'malformed_request'), crypto.randomUUID());
  log.info({ request_id: problem.request_id, code: problem.code, error: error.code }, 'could not be read');
  const body = JSON.stringify(problem);
  const headers = [
    `content-type: ${PROBLEM_CONTENT_TYPE}; charset=utf-8`,
    `content-length: ${Buffer.byteLength(body)}`,
    ...Object.entries(commonHeaders).map(([name, value]) => `${name}: ${value}`),
    'connection: close',
  ];
  socket.end(`HTTP/1.1 ${problem.status} ${problem.title}\r\n${headers.join('\r\n')}\r\n\r\n${body}`);
}

function countHosts({ rawHeaders }: IncomingMessage): number {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    if (name?.length === 4 && name.toLowerCase() === 'host') count += 1;
  }
  return count;
}

/** RFC 9112 §3.2 */
function faultOfHost(request: IncomingMessage): string | undefined {
  if (request.headers.host === undefined && request.httpVersion === '1.1') return 'The request has no Host header.';
  // Node keeps the first of two; a proxy in front may have kept the other.
  return countHosts(request) > 1 ? 'The request has more than one Host header.' : undefined;
}

/** What Node would refuse with an empty answer before anyone is asked. */
export const httpErrors = fastifyPlugin(
  async (app: FastifyInstance) => {
    app.addHook('onRequest', ({ raw }, _reply, done) => {
      const detail = faultOfHost(raw);
      done(detail === undefined ? undefined : new DomainError('malformed_request', { detail }));
    });
    // An expectation that we do not know may be ignored (RFC 9110 §10.1.1).
    app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));
  },
  { name: 'http-errors' },
);
