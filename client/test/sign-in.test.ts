import { expect, test, vi } from 'vitest';
import { sql } from '../../test/support/database.js';
import { codeOf, enrol } from '../../test/support/second-factor.js';
import { freshEmail, logIn, PASSWORD } from '../../test/support/test-app.js';
import { GatehouseError } from '../src/index.js';
import { type Line, startClient, startSignedIn } from './support.js';

const endOf = async (sessionId: string) => {
  const [row] = await sql('SELECT end_reason, generation, confirmed_generation FROM sessions WHERE id = $1', [
    sessionId,
  ]);
  return row;
};

test('keeps a person signed in over restarts of an app with a token store, and the access token in memory alone', async () => {
  const { client, stored, email } = await startSignedIn();
  expect([...stored.keys()].sort()).toEqual(['gatehouse.known_device', 'gatehouse.refresh_token']);
  const accessToken = await client.getAccessToken();
  expect([...stored.values()]).not.toContain(accessToken);
  client.close();

  const again = await startClient({ stored });
  expect(again.client.user).toMatchObject({ email });
  expect(again.calls.map(({ url }) => url)).toEqual(['/v1/auth/refresh']);
  expect(again.client.session?.id).toBe(client.session?.id);
  const answer = await again.client.fetch(`${again.baseUrl}/v1/me`);
  expect(await answer.json()).toMatchObject({ email });
});

test('asks nothing when nothing is stored, and says that nobody is signed in', async () => {
  const { client, calls, events, baseUrl } = await startClient();
  expect(client.user).toBeNull();
  expect(client.session).toBeNull();
  expect(await client.getAccessToken()).toBeNull();
  expect(calls).toEqual([]);
  expect(events).toEqual([]);
  expect((await client.fetch(`${baseUrl}/v1/me`)).status).toBe(401);
  expect(calls).toEqual([{ method: 'GET', url: '/v1/me', token: null }]);
});

test('tells of signing in, of refreshing and of signing out', async () => {
  const { client, events } = await startClient();
  const user = await client.register({ email: freshEmail(), password: PASSWORD });
  await client.refresh();
  await client.logout();
  expect(events).toEqual([
    { type: 'signed_in', user },
    { type: 'refreshed', user },
    { type: 'signed_out', reason: 'logout' },
  ]);
});

test('says what Gatehouse refused, by its code', async () => {
  const { client, email, events } = await startSignedIn();
  const refused = await client.login({ email, password: 'a wrong password' }).catch((error) => error);
  expect(refused).toBeInstanceOf(GatehouseError);
  expect(refused).toMatchObject({ status: 401, code: 'invalid_credentials' });
  const weak = await client.register({ email: freshEmail(), password: 'short' }).catch((error) => error);
  expect(weak).toMatchObject({ status: 422, code: 'password_rejected' });
  expect(weak.errors[0]).toMatchObject({ path: '/password' });
  expect(client.user).toMatchObject({ email });
  expect(events).toEqual([]);
});

test('takes the second step of signing in, and proves once more who is there', async () => {
  const { client, app, email, events, stored } = await startSignedIn();
  const { secret } = await enrol(app, await logIn(app, email));
  await client.logout();
  events.length = 0;
  const { user, mfaToken } = await client.login({ email, password: PASSWORD });
  expect(user).toBeNull();
  expect(client.user).toBeNull();
  expect(events).toEqual([]);
  const person = await client.verifySecondFactor({ mfaToken: mfaToken ?? '', code: codeOf(secret) });
  expect(person.email).toBe(email);
  expect(client.user).toEqual(person);
  const before = stored.get('gatehouse.refresh_token');
  await sql('UPDATE second_factors SET last_used_step = 0 WHERE user_id = $1', [person.id]);
  await client.reauthenticate({ password: PASSWORD, code: codeOf(secret) });
  expect(stored.get('gatehouse.refresh_token')).not.toBe(before);
  expect(events.map(({ type }) => type)).toEqual(['signed_in', 'refreshed']);
  await client.refresh();
  expect(client.user).toEqual(person);
});

test('keeps the newest refresh token when the password is changed', async () => {
  const { client, app, email } = await startSignedIn();
  const other = await logIn(app, email);
  await client.changePassword({ current_password: PASSWORD, new_password: 'another horse, another battery' });
  expect(await client.refresh()).toMatchObject({ email });
  expect(await endOf(other.sessionId)).toMatchObject({ end_reason: 'password_changed' });
});

test('lists sessions, and ends others without its own', async () => {
  const { client, app, email, sessionId } = await startSignedIn();
  const [first, second] = [await logIn(app, email), await logIn(app, email)];
  expect((await client.sessions.list()).map(({ id, current }) => [id, current])).toEqual([
    [second.sessionId, false],
    [first.sessionId, false],
    [sessionId, true],
  ]);
  await client.sessions.end(first.sessionId);
  await client.sessions.endOthers();
  expect((await client.sessions.list()).map(({ id }) => id)).toEqual([sessionId]);
  expect(client.user).toMatchObject({ email });
});

test.each(['end', 'endAll'] as const)(
  'is signed out with the reason of Gatehouse after %s of its own session',
  async (how) => {
    const { client, events, sessionId, stored } = await startSignedIn();
    await (how === 'end' ? client.sessions.end(sessionId) : client.sessions.endAll());
    expect(client.user).toBeNull();
    expect(events).toEqual([{ type: 'signed_out', reason: 'revoked' }]);
    expect([...stored.keys()]).toEqual(['gatehouse.known_device']);
  },
);

test('ends the session when it signs out, and the access token with it', async () => {
  const { client, baseUrl, sessionId, stored } = await startSignedIn();
  const accessToken = await client.getAccessToken();
  await client.logout();
  expect(await endOf(sessionId)).toMatchObject({ end_reason: 'logout' });
  const headers = { authorization: `Bearer ${accessToken}` };
  expect((await fetch(`${baseUrl}/v1/me`, { headers })).status).toBe(401);
  expect(await client.getAccessToken()).toBeNull();
  expect([...stored.keys()]).toEqual(['gatehouse.known_device']);
  expect(await client.refresh()).toBeNull();
});

test('learns at its next request that the session was ended elsewhere', async () => {
  const { client, app, baseUrl, email, events } = await startSignedIn();
  const other = await logIn(app, email);
  const headers = { authorization: `Bearer ${other.accessToken}` };
  await fetch(`${baseUrl}/v1/sessions?keep_current=true`, { method: 'DELETE', headers });
  const answer = await client.fetch(`${baseUrl}/v1/me`);
  expect(answer.status).toBe(401);
  expect(client.user).toBeNull();
  expect(events).toEqual([{ type: 'signed_out', reason: 'revoked' }]);
});

test('is told of a replay of its own token as reuse', async () => {
  const { client, stored, events, baseUrl } = await startSignedIn();
  const old = stored.get('gatehouse.refresh_token');
  await client.refresh();
  await client.refresh();
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ refresh_token: old });
  await fetch(`${baseUrl}/v1/auth/refresh`, { method: 'POST', headers, body });
  expect(await client.refresh()).toBeNull();
  expect(events.at(-1)).toEqual({ type: 'signed_out', reason: 'reuse_detected' });
});

test('lets Gatehouse see each new generation once when the app calls only other services', async () => {
  const { client, sessionId, countOf } = await startSignedIn();
  for (const generation of [2, 3]) {
    await client.refresh();
    const confirmed = async () =>
      expect(await endOf(sessionId)).toMatchObject({ generation, confirmed_generation: generation });
    await vi.waitFor(confirmed, { timeout: 10_000, interval: 100 });
  }
  expect(countOf('/v1/me')).toBe(2);
});

test("does not take an answer of the app's own API for one of Gatehouse's, though both share an origin", async () => {
  const line: Line = async (request, pass) => (request.url.endsWith('/api/data') ? new Response('{}') : pass(request));
  const { client, baseUrl, sessionId, countOf } = await startSignedIn({ line });
  await client.refresh();
  await client.fetch(`${baseUrl}/api/data`);
  const confirmed = async () => expect(await endOf(sessionId)).toMatchObject({ confirmed_generation: 2 });
  await vi.waitFor(confirmed, { timeout: 10_000, interval: 100 });
  expect(countOf('/v1/me')).toBe(1);
});

test('sends nothing more for that when the app calls Gatehouse anyway', async () => {
  const { client, baseUrl, sessionId, countOf } = await startSignedIn();
  await client.refresh();
  await client.fetch(`${baseUrl}/v1/sessions`);
  const confirmed = async () => expect(await endOf(sessionId)).toMatchObject({ confirmed_generation: 2 });
  await vi.waitFor(confirmed, { timeout: 10_000, interval: 100 });
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(countOf('/v1/me')).toBe(0);
});
