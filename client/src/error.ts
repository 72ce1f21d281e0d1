/** What Gatehouse refused (RFC 9457), or `status` 0 when no answer came. Branch on `code`. */
export class GatehouseError extends Error {
  override readonly name = 'GatehouseError';
  readonly status: number;
  /** One of the contract's, or `network_error` or `unexpected_answer`. */
  readonly code: string;
  readonly reason: string | undefined;
  /** What is wrong with which field. */
  readonly errors: { path: string; message: string }[];
  /** Seconds after which to try again. */
  readonly retryAfter: number | undefined;
  readonly requestId: string | undefined;

  constructor(problem: Problem, options?: ErrorOptions) {
    super(problem.detail ?? problem.code, options);
    this.status = problem.status;
    this.code = problem.code;
    this.reason = problem.reason;
    this.errors = problem.errors ?? [];
    this.retryAfter = problem.retryAfter;
    this.requestId = problem.request_id;
  }
}

type Problem = {
  status: number;
  code: string;
  detail?: string;
  reason?: string;
  errors?: { path: string; message: string }[];
  retryAfter?: number | undefined;
  request_id?: string;
};
