import { ERROR_CODES, type ErrorCode } from './error-codes.js';

/** One thing that is wrong with one place of the request. */
export type FieldError = {
  /** JSON pointer into the body (RFC 6901), or a header's name. */
  path: string;
  message: string;
};

type DomainErrorOptions = {
  /** Public text, if the code's own says too little. Never a secret, never internal text. */
  detail?: string;
  /** Why a session ended or expired, or why waiting does not help. */
  reason?: string;
  errors?: FieldError[];
  retryAfterSeconds?: number;
  /** The `error` of the Bearer challenge (RFC 6750 §3.1, RFC 9470 §3); only the gate sets it. */
  bearerError?: 'invalid_token' | 'insufficient_user_authentication';
  /** How old a sign-in may be, if that is what was wrong (RFC 9470 §3). */
  maxAgeSeconds?: number;
  /** What really happened: for the log alone. */
  cause?: unknown;
};

/** The one error that is meant for clients. Whatever else is thrown becomes `internal_error`. */
export class DomainError extends Error {
  override readonly name = 'DomainError';
  readonly code: ErrorCode;
  readonly options: Omit<DomainErrorOptions, 'cause' | 'detail'>;

  constructor(code: ErrorCode, { detail, cause, ...options }: DomainErrorOptions = {}) {
    super(detail ?? ERROR_CODES[code].detail, cause === undefined ? undefined : { cause });
    this.code = code;
    this.options = options;
  }
}
