import { type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import type { DestinationStream, Logger, LoggerOptions } from 'pino';
import { readAddress } from '../shared/client-info.js';

/** Whatever is logged by mistake under one of these names is struck out. */
const SECRET_NAMES = [
  'authorization',
  'cookie',
  'password',
  'current_password',
  'new_password',
  'refresh_token',
  'access_token',
  'token',
  'secret',
  'mfa_token',
  'mfaToken',
  'known_device',
  'knownDevice',
  'recovery_codes',
  'recoveryCodes',
  'passwordHash',
];

/** How log lines look: JSON, and never a header, a body or a query string. */
export function loggerOptions(
  level: string,
  stream?: DestinationStream,
  requestId: () => string | undefined = () => undefined,
): LoggerOptions & { stream?: DestinationStream } {
  return {
    level,
    base: { service: 'gatehouse' },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
    mixin(_line, _level, logger) {
      const id = requestId();
      return id === undefined || 'request_id' in logger.bindings() ? {} : { request_id: id };
    },
    redact: { paths: SECRET_NAMES.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[secret]' },
    ...(stream ? { stream } : {}),
  };
}

/**
 * One line a request, when it is answered. It names the route and never the path, which may hold anything that was
 * pasted into it, a token for one. Reads that went well are told at `debug` only: they are many, and logging
 * them costs a third of what the gate can do.
 */
export class RequestLog extends LogController {
  /** Looks for no secrets: looking takes forty times as long as writing, and the line holds only what is named below. */
  #lines: Logger | undefined;

  constructor() {
    super({ requestIdLogLabel: 'request_id' });
  }

  override incomingRequest(): void {}

  override requestCompleted(error: Error | null | undefined, request: FastifyRequest, reply: FastifyReply): void {
    const level = reply.statusCode >= 500 ? 'warn' : reply.statusCode < 400 && isRead(request) ? 'debug' : 'info';
    this.#lines ??= (request.server.log as Logger).child({}, { redact: [] });
    if (!this.#lines.isLevelEnabled(level)) return;
    this.#lines[level](
      {
        request_id: request.id,
        method: request.method,
        route: request.routeOptions.url ?? null,
        status: reply.statusCode,
        code: request.errorCode,
        session_id: request.auth?.sid,
        ip: readAddress(request.ip),
        ms: Math.round(reply.elapsedTime * 10) / 10,
        ...(error ? { error: error.message } : {}),
      },
      'answered',
    );
  }

  override routeNotFound(): void {}

  override defaultErrorLog(): void {}
}

function isRead({ method }: FastifyRequest): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}
