import { GatehouseError } from './error.js';
import type { Session, User } from './types.js';

export type TokenResponse = {
  access_token: string;
  expires_in: number;
  user: User;
  session: Session;
  refresh_token?: string;
  known_device?: string;
};

/** @throws GatehouseError `network_error` or `unexpected_answer` too, which say nothing about the sign-in */
export type Call = <Answer>(
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  bearer?: string | null,
  body?: object | null,
) => Promise<Answer>;

/** A server that says nothing for so long has been given up: no lock is held for ever. */
const TIMEOUT_MS = 10_000;

/** What ends a sign-in. Everything else says nothing about the session, and so must not end it. */
const SIGNED_OUT = /^refresh_token_|^session_(expired|ended)$/;

/** Why nobody is signed in any more, if that is what an error means. */
export function reasonOfSignOut(error: unknown): string | undefined {
  const { code, reason } = error as GatehouseError;
  if (!SIGNED_OUT.test(code)) return undefined;
  return reason ?? (code === 'refresh_token_reused' ? 'reuse_detected' : code);
}

/** Calls of Gatehouse's own endpoints: JSON there, and back JSON or a `GatehouseError`. */
export function createCall(send: typeof fetch, baseUrl: string, credentials: RequestCredentials): Call {
  return async (method, path, bearer, body) => {
    const response = await send(baseUrl + path, {
      method,
      headers: {
        ...(body && { 'content-type': 'application/json' }),
        ...(bearer && { authorization: `Bearer ${bearer}` }),
      },
      body: body ? JSON.stringify(body) : null,
      credentials,
      // A password must not follow a redirect to somewhere else.
      redirect: 'error',
      // Not every React Native has it.
      signal: AbortSignal.timeout?.(TIMEOUT_MS),
    }).catch((cause) => {
      throw cause instanceof GatehouseError
        ? cause
        : new GatehouseError({ status: 0, code: 'network_error' }, { cause });
    });
    const { ok, status, headers } = response;
    const json = status === 204 || (await response.json().catch(() => null));
    if (ok && json) return json;
    const retryAfter = Number(headers.get('retry-after')) || 0;
    throw new GatehouseError({ code: 'unexpected_answer', ...json, status, retryAfter });
  };
}
