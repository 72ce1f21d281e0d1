import { STATUS_CODES } from 'node:http';
import { Type } from 'typebox';
import type { DomainError } from './domain-error.js';
import { ERROR_CODES, type ErrorCode } from './error-codes.js';
import { StrictObject } from './schemas.js';

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

/** The body of every error (RFC 9457). */
export const ProblemSchema = StrictObject(
  {
    type: Type.String({
      maxLength: 200,
      description: '`about:blank`: the code says it all.',
      examples: ['about:blank'],
    }),
    title: Type.String({ maxLength: 100, description: "The status's name.", examples: ['Unauthorized'] }),
    status: Type.Integer({ format: 'int32', minimum: 400, maximum: 599, examples: [401] }),
    code: Type.String({
      enum: Object.keys(ERROR_CODES),
      description: 'What to branch on. Never changes.',
      examples: ['refresh_token_reused'],
    }),
    detail: Type.String({ maxLength: 1_000, description: 'For people: what happened and what to do.' }),
    request_id: Type.String({ format: 'uuid', maxLength: 36, description: 'Names this request in the logs.' }),
    reason: Type.Optional(
      Type.String({
        maxLength: 50,
        description:
          'Why the session ended (`session_ended`) or expired (`session_expired`); `reset_required` when waiting does not help (`too_many_attempts`).',
      }),
    ),
    errors: Type.Optional(
      Type.Array(
        StrictObject({
          path: Type.String({
            maxLength: 20_000,
            description: 'JSON pointer to what is wrong.',
            examples: ['/password'],
          }),
          message: Type.String({ maxLength: 1_000 }),
        }),
        { maxItems: 100, description: 'Only with `validation_failed` and `password_rejected`.' },
      ),
    ),
  },
  { title: 'Problem' },
);

export type Problem = Type.Static<typeof ProblemSchema>;

export function toProblem(error: DomainError, requestId: string): Problem {
  const { status } = ERROR_CODES[error.code];
  const { reason, errors } = error.options;
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    code: error.code,
    detail: error.message,
    request_id: requestId,
    ...(reason === undefined ? {} : { reason }),
    ...(errors === undefined ? {} : { errors }),
  };
}

/** Headers that go with an error (RFC 9110 §10.2.3, §11.6.1; RFC 6750 §3; RFC 9470 §3). */
export function problemHeaders(error: DomainError, realm: string): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': `${PROBLEM_CONTENT_TYPE}; charset=utf-8` };
  const { bearerError, maxAgeSeconds, retryAfterSeconds } = error.options;
  if (ERROR_CODES[error.code].status === 401) {
    const reason = bearerError ? `, error="${bearerError}", error_description="${error.message}"` : '';
    const maxAge = maxAgeSeconds === undefined ? '' : `, max_age=${maxAgeSeconds}`;
    headers['www-authenticate'] = `Bearer realm="${realm}"${reason}${maxAge}`;
  }
  if (retryAfterSeconds !== undefined) headers['retry-after'] = String(retryAfterSeconds);
  return headers;
}

/** Codes that any operation may answer with. */
export const COMMON_ERRORS: readonly ErrorCode[] = [
  'malformed_request',
  'rate_limited',
  'internal_error',
  'unavailable',
];
