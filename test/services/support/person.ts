import { expect } from 'vitest';
import { COOKIE, freshEmail, PASSWORD } from '../../support/test-app.js';

const cookieOf = (response: Response) =>
  new RegExp(`${COOKIE}=([^;]+)`).exec(response.headers.get('set-cookie') ?? '')?.[1] ?? '';

/** Someone who signs up there, and what they go on to do wherever they are told to. */
export async function signUp(url: string) {
  const registered = await fetch(`${url}/v1/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: freshEmail(), password: PASSWORD }),
  });
  expect(registered.status).toBe(201);
  let accessToken = ((await registered.json()) as { access_token: string }).access_token;
  let refreshToken = cookieOf(registered);

  const post = (at: string, path: string) =>
    fetch(`${at}${path}`, { method: 'POST', headers: { cookie: `${COOKIE}=${refreshToken}` } });

  return {
    async refresh(at = url): Promise<number> {
      const response = await post(at, '/v1/auth/refresh');
      if (response.status === 200) {
        refreshToken = cookieOf(response);
        accessToken = ((await response.json()) as { access_token: string }).access_token;
      } else await response.body?.cancel();
      return response.status;
    },
    async callApi(at = url): Promise<number> {
      const response = await fetch(`${at}/v1/me`, { headers: { authorization: `Bearer ${accessToken}` } });
      await response.body?.cancel();
      return response.status;
    },
    async logOut(at = url): Promise<number> {
      return (await post(at, '/v1/auth/logout')).status;
    },
  };
}
