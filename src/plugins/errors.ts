import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import fastifyPlugin from 'fastify-plugin';
import { isDatabaseUnavailable } from '../database/faults.js';
import { DomainError, type FieldError } from '../shared/domain-error.js';
import type { ErrorCode } from '../shared/error-codes.js';
import { problemHeaders, toProblem } from '../shared/problem.js';

/** Fastify's own errors, in our words. */
const FASTIFY_ERRORS: Record<string, ErrorCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed_request',
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed_request',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed_request',
  FST_ERR_BAD_URL: 'malformed_request',
  FST_ERR_ASYNC_CONSTRAINT: 'malformed_request',
  FST_ERR_MAX_PARAM_LENGTH: 'malformed_request',
};

/** Turns whatever was thrown, and every address that is not there, into a problem document (RFC 9457). */
export const errors = fastifyPlugin<{ realm: string }>(
  async (app, { realm }) => {
    app.setErrorHandler((thrown: FastifyError, request, reply) => sendProblem(thrown, request, reply, realm));
    app.setNotFoundHandler({ preHandler: app.limitUnknown }, () => {
      throw new DomainError('not_found');
    });
  },
  { name: 'errors', dependencies: ['rate-limits'] },
);

export function sendProblem(
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  realm: string,
): FastifyReply {
  const error = toDomainError(thrown);
  if (error.code === 'internal_error') request.log.error({ err: thrown }, 'the request failed');
  else if (error.cause !== undefined) request.log.info({ code: error.code, cause: messageOf(error.cause) }, 'refused');
  request.errorCode = error.code;
  return reply
    .code(toProblem(error, request.id).status)
    .headers(problemHeaders(error, realm))
    .serializer(JSON.stringify)
    .send(toProblem(error, request.id));
}

function toDomainError(thrown: unknown): DomainError {
  if (thrown instanceof DomainError) return thrown;
  const error = thrown as Partial<FastifyError>;
  if (error.validation) return new DomainError('validation_failed', { errors: error.validation.map(toFieldError) });
  const code = FASTIFY_ERRORS[error.code ?? ''];
  if (code !== undefined) return new DomainError(code);
  if (isDatabaseUnavailable(thrown)) return new DomainError('unavailable', { retryAfterSeconds: 1, cause: thrown });
  if (error.statusCode === 400) return new DomainError('malformed_request', { cause: thrown });
  return new DomainError('internal_error', { cause: thrown });
}

type ValidationFault = NonNullable<FastifyError['validation']>[number];

/** Says where and what, and never repeats what was sent: it may be a password. */
function toFieldError({ instancePath, keyword, params, message }: ValidationFault): FieldError {
  const names = params as { missingProperty?: string; additionalProperty?: string };
  if (keyword === 'required') return { path: `${instancePath}/${names.missingProperty}`, message: 'This is missing.' };
  if (keyword === 'additionalProperties') {
    return {
      path: `${instancePath}/${pointerSegment(names.additionalProperty)}`,
      message: 'There is no such property.',
    };
  }
  return { path: instancePath, message: `This ${message ?? 'is not acceptable'}.` };
}

/** A property's name as sent is foreign text: escaped as RFC 6901 §3 has it, and cut. */
function pointerSegment(name = ''): string {
  return name.slice(0, 64).replaceAll('~', '~0').replaceAll('/', '~1');
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The code of the problem that was answered, for the request log. */
    errorCode?: ErrorCode;
  }
}
