/** What the page does to its own requests and answers, so that one can see what the client makes of it. */
export type Tricks = {
  /** Goes once in place of the good one, with the next `GET /v1/me`. */
  expiredToken: string | null;
  /** The next token response says that it is good for so many seconds only. */
  shortLifeSeconds: number | null;
  /** The next refresh is carried out, and its answer lost: then a failure means that. */
  isAnswerLost: boolean;
  /** Until then, by `performance.now()`, nothing arrives at all. */
  offlineUntil: number;
};

export function createTricks(): Tricks {
  return { expiredToken: null, shortLifeSeconds: null, isAnswerLost: false, offlineUntil: 0 };
}

export function tamperWithRequest(tricks: Tricks, request: Request): void {
  if (tricks.expiredToken === null || request.method !== 'GET' || new URL(request.url).pathname !== '/v1/me') return;
  request.headers.set('authorization', `Bearer ${tricks.expiredToken}`);
  tricks.expiredToken = null;
}

export function tamperWithAnswer(tricks: Tricks, response: Response, body: unknown): Response {
  const { shortLifeSeconds: expires_in } = tricks;
  if (expires_in === null || !response.ok || !body || !Object.hasOwn(body, 'access_token')) return response;
  tricks.shortLifeSeconds = null;
  return Response.json({ ...body, expires_in }, { status: response.status, headers: response.headers });
}
