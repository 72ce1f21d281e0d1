import { type Client, GatehouseError } from '../../client/src/index.js';

/** What the playground needs of Gatehouse beyond what the client offers. */
export type Api = {
  /** Without an access token. */
  open<Answer = void>(method: Method, path: string, body?: object): Promise<Answer>;
  /** With the one of whoever is signed in. */
  own<Answer = void>(method: Method, path: string, body?: object): Promise<Answer>;
};

type Method = 'GET' | 'POST';

export function createApi(client: Pick<Client, 'fetch'>, watched: typeof fetch): Api {
  return {
    open: (method, path, body) => call(watched, method, path, body),
    own: (method, path, body) => call(client.fetch, method, path, body),
  };
}

/** @throws GatehouseError */
async function call<Answer>(send: typeof fetch, method: Method, path: string, body?: object): Promise<Answer> {
  const headers: HeadersInit = body ? { 'content-type': 'application/json' } : {};
  const response = await send(path, { method, headers, body: body ? JSON.stringify(body) : null }).catch((cause) => {
    throw cause instanceof GatehouseError ? cause : new GatehouseError({ status: 0, code: 'network_error' }, { cause });
  });
  const json = response.status === 204 ? undefined : await response.json().catch(() => null);
  if (response.ok && json !== null) return json as Answer;
  const retryAfter = Number(response.headers.get('retry-after')) || 0;
  throw new GatehouseError({ code: 'unexpected_answer', ...json, status: response.status, retryAfter });
}
