type ErrorCodeEntry = {
  /** The HTTP status: the only place where a code meets one. */
  status: number;
  /** Said when whoever throws has nothing more precise to say. Public: plain words, what happened and what to do. */
  detail: string;
};

/**
 * Every error code that a client can meet. Clients branch on the code, so a code is never renamed and never reused.
 * The OpenAPI document and `docs/errors.md` are made from this table.
 */
export const ERROR_CODES = {
  malformed_request: { status: 400, detail: 'The request cannot be read. Send well-formed JSON in UTF-8.' },
  token_invalid_or_expired: {
    status: 400,
    detail: 'This link is not valid any more: it was used, replaced by a newer one, or is too old. Ask for a new one.',
  },
  access_token_missing: { status: 401, detail: 'This needs an access token. Send it as "Authorization: Bearer …".' },
  access_token_invalid: { status: 401, detail: 'The access token is not valid. Refresh it, or sign in again.' },
  access_token_expired: { status: 401, detail: 'The access token has expired. Refresh it.' },
  invalid_credentials: { status: 401, detail: 'The address or the password is wrong.' },
  insufficient_user_authentication: {
    status: 401,
    detail:
      'This needs a sign-in that is more recent. Call /v1/auth/reauthenticate and try again with its access token.',
  },
  mfa_required: { status: 401, detail: 'This account has a second factor. Send a code of it as well.' },
  mfa_code_invalid: { status: 401, detail: 'The code is wrong, or was used before. Wait for the next one.' },
  mfa_token_invalid: { status: 401, detail: 'It took too long, or the password was changed meanwhile. Sign in again.' },
  refresh_token_missing: { status: 401, detail: 'There is no refresh token in the request. Sign in.' },
  refresh_token_invalid: { status: 401, detail: 'The refresh token is not valid. Sign in again.' },
  refresh_token_reused: {
    status: 401,
    detail: 'This refresh token was used before, so the session has been ended for safety. Sign in again.',
  },
  session_expired: { status: 401, detail: 'The session has expired. Sign in again.' },
  session_ended: { status: 401, detail: 'The session has been ended. Sign in again.' },
  origin_not_allowed: { status: 403, detail: 'This origin may not do that. Add it to ALLOWED_ORIGINS if it should.' },
  account_disabled: { status: 403, detail: 'This account has been closed. Ask whoever runs the service.' },
  email_not_verified: { status: 403, detail: 'This address is not verified yet. Open the link that was mailed to it.' },
  not_found: { status: 404, detail: 'There is nothing at this address.' },
  session_not_found: { status: 404, detail: 'You have no live session with this id.' },
  method_not_allowed: { status: 405, detail: 'This address does not answer that method. See the Allow header.' },
  request_timeout: { status: 408, detail: 'The request took too long to arrive.' },
  email_taken: { status: 409, detail: 'There is an account with this address already. Sign in instead.' },
  mfa_already_enabled: { status: 409, detail: 'This account has a second factor already. Disable that one first.' },
  mfa_not_enabled: {
    status: 409,
    detail: 'This account has no second factor, or it was not begun. Begin with enrolling.',
  },
  payload_too_large: { status: 413, detail: 'The request body is too large.' },
  unsupported_media_type: { status: 415, detail: 'Send the body as "Content-Type: application/json".' },
  validation_failed: { status: 422, detail: 'Some of what was sent is not acceptable. See "errors".' },
  password_rejected: { status: 422, detail: 'This password is not acceptable. See "errors".' },
  rate_limited: { status: 429, detail: 'Too many requests. Try again after the time in Retry-After.' },
  too_many_attempts: {
    status: 429,
    detail: 'Too many wrong attempts. Try again after the time in Retry-After, or reset the password.',
  },
  headers_too_large: { status: 431, detail: 'The request headers are too large.' },
  internal_error: { status: 500, detail: 'Something went wrong on our side. Quote the request id when you report it.' },
  mail_not_configured: {
    status: 501,
    detail: 'This service sends no mail. Its operator sets SMTP_URL to change that.',
  },
  overloaded: { status: 503, detail: 'Too much to do right now. Try again after the time in Retry-After.' },
  unavailable: { status: 503, detail: 'The service cannot answer right now. Try again after the time in Retry-After.' },
} as const satisfies Record<string, ErrorCodeEntry>;

export type ErrorCode = keyof typeof ERROR_CODES;
