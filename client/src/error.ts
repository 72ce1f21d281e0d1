/** What Gatehouse refused (RFC 9457). Branch on `code`, never on the text. */
export class GatehouseError extends Error {
  override readonly name = 'GatehouseError';
  /** Of the answer; 0 when none came. */
  declare readonly status: number;
  /** One of the contract's, or `network_error` or `unexpected_answer`. */
  declare readonly code: string;
  /** Why a session is over, with `session_ended` and `session_expired`. */
  declare readonly reason?: string;
  /** What is wrong with which field, with `validation_failed` and `password_rejected`. */
  declare readonly errors?: { path: string; message: string }[];
  /** Seconds after which to try again, if the answer told; 0 otherwise. */
  declare readonly retryAfter?: number;
  /** For whoever looks into the service's log. */
  declare readonly request_id?: string;

  constructor(problem: { status: number; code: string; detail?: string }, options?: ErrorOptions) {
    super(problem.detail ?? problem.code, options);
    Object.assign(this, problem);
  }
}
