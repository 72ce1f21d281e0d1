type Tokens = {
  /** A good token; `null` when nobody is signed in. */
  getAccessToken(): Promise<string | null>;
  /** Another one than that which was refused; `null` when there is none. */
  replace(refused: string): Promise<string | null>;
  /** Gatehouse has seen one. */
  accept(): void;
};

/**
 * A `fetch` that adds the token where it belongs, and repeats once what was refused for an old one.
 *
 * @param gatehouse where its own addresses begin; others of its origin may be the app's
 * @param origins that get the token
 */
export function createAuthorizedFetch(
  send: typeof fetch,
  tokens: Tokens,
  gatehouse: string,
  origins: readonly string[],
): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    const { headers, signal } = request;
    if (!origins.includes(new URL(request.url).origin) || headers.has('authorization')) return send(request);
    const token = await unlessAborted(tokens.getAccessToken(), signal);
    if (!token) return send(request);

    // Whoever sends a stream has to say so, and a stream can be sent only once.
    const copy = init && 'duplex' in init ? null : request.clone();
    headers.set('authorization', `Bearer ${token}`);
    const atGatehouse = request.url.startsWith(gatehouse);
    const response = await send(request);
    if (!refusesToken(response, atGatehouse)) {
      if (atGatehouse && response.ok) tokens.accept();
      return response;
    }
    const other = await unlessAborted(tokens.replace(token), signal);
    if (!other || !copy) return response;
    copy.headers.set('authorization', `Bearer ${other}`);
    return send(copy);
  };
}

/** RFC 6750 §3.1. Other services may not let pages read the challenge; Gatehouse does, and a wrong password has none. */
function refusesToken({ status, headers }: Response, atGatehouse: boolean): boolean {
  const challenge = headers.get('www-authenticate');
  return status === 401 && (challenge ? challenge.includes('invalid_token') : !atGatehouse);
}

/** Leaves off waiting; what was waited for goes on, since others wait for it too. */
function unlessAborted<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  // Requests of an older React Native have no signal unless they are given one.
  if (!signal) return promise;
  return Promise.race([
    new Promise<never>((_, reject) => {
      const abort = () => reject(signal.reason);
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort);
    }),
    promise,
  ]);
}
