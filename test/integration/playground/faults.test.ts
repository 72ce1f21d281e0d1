import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { eventsOf } from '../../support/accounts.js';
import { sql } from '../../support/database.js';
import { bearer, expectProblem, post } from '../http/support.js';
import { buildPlaygroundApp, LOCAL, readTokens, startWithFaults } from './support.js';

const NO_ANSWER = /fetch failed/;

describe('the next answer lost', () => {
  test('the session moves on, nothing arrives, and a retry gets the very token that was lost', async () => {
    const { browser, logLines } = await startWithFaults();
    const { refreshToken, sessionId } = await browser.signIn();
    expect((await browser.call('/dev/faults/lose-next-answer')).status).toBe(204);

    await expect(browser.refresh(refreshToken)).rejects.toThrow(NO_ANSWER);
    expect(await browser.sessionState(sessionId)).toEqual({
      id: sessionId,
      generation: 2,
      confirmed_generation: 1,
      rotated_at: expect.stringMatching(/^\d{4}-.*Z$/),
      ended_at: null,
      end_reason: null,
    });
    expect(logLines().filter(({ fault }) => fault === 'answer_lost')).toHaveLength(1);

    const retried = await readTokens(await browser.refresh(refreshToken));
    const retriedAgain = await readTokens(await browser.refresh(refreshToken));
    expect(retried.refreshToken).not.toBe(refreshToken);
    expect(retriedAgain.refreshToken).toBe(retried.refreshToken);
    expect(await browser.sessionState(sessionId)).toMatchObject({ generation: 2, confirmed_generation: 1 });

    const me = await browser.call('/v1/me', { headers: browser.withBearer(retried.accessToken) });
    expect(me.status).toBe(200);
    expect(await browser.sessionState(sessionId)).toMatchObject({ generation: 2, confirmed_generation: 2 });
  });

  test('waits for a refresh that goes well: nothing else is lost, and one of many at once is', async () => {
    const { browser } = await startWithFaults();
    const people = await Promise.all([browser.signIn(), browser.signIn(), browser.signIn(), browser.signIn()]);
    await browser.call('/dev/faults/lose-next-answer');
    expect((await browser.refresh('A'.repeat(72))).status).toBe(401);
    expect((await browser.call('/livez')).status).toBe(200);
    const [{ accessToken = '' } = {}] = people;
    expect((await browser.call('/v1/me', { headers: browser.withBearer(accessToken) })).status).toBe(200);

    const answers = await Promise.allSettled(people.map(({ refreshToken }) => browser.refresh(refreshToken)));
    expect(answers.map(({ status }) => status).sort()).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected']);
  });

  test('lets no connection be used twice until then, for browsers send again by themselves on such', async () => {
    const { browser } = await startWithFaults();
    const { refreshToken } = await browser.signIn();
    const idle = connect(Number(new URL(browser.origin).port), '127.0.0.1');
    idle.write('GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await once(idle, 'data');

    const armed = await browser.call('/dev/faults/lose-next-answer');
    await expect.poll(() => idle.readableEnded || idle.destroyed).toBe(true);
    expect([armed.status, armed.headers.get('connection')]).toEqual([204, 'close']);
    expect((await browser.call('/livez')).headers.get('connection')).toBe('close');
    await expect(browser.refresh(refreshToken)).rejects.toThrow(NO_ANSWER);
    expect((await browser.call('/livez')).headers.get('connection')).toBe('keep-alive');
  });
});

describe('offline', () => {
  test('nothing is answered or done but what shows it, until it is over', async () => {
    const { browser } = await startWithFaults();
    const { refreshToken, sessionId } = await browser.signIn();
    expect((await browser.call('/dev/faults/offline', { body: { seconds: 60 } })).status).toBe(204);

    await expect(browser.refresh(refreshToken)).rejects.toThrow(NO_ANSWER);
    for (const url of ['/livez', '/readyz', '/v1/me', '/v1/auth/logout', '/nothing']) {
      await expect(browser.call(url), url).rejects.toThrow(NO_ANSWER);
    }
    for (const url of ['/playground', '/playground/settings.json', '/playground/assets/index-B4f2a.js']) {
      expect((await browser.call(url)).status, url).toBe(200);
    }
    expect(await browser.sessionState(sessionId)).toMatchObject({ generation: 1, ended_at: null });

    await browser.call('/dev/faults/offline', { body: { seconds: 0 } });
    expect((await browser.refresh(refreshToken)).status).toBe(200);
  });

  test('is over by itself', async () => {
    const { browser } = await startWithFaults();
    await browser.call('/dev/faults/offline', { body: { seconds: 1 } });
    await expect(browser.call('/livez')).rejects.toThrow(NO_ANSWER);
    const status = () =>
      browser.call('/livez').then(
        ({ status }) => status,
        () => 'no answer',
      );
    await expect.poll(status, { timeout: 5_000 }).toBe(200);
  });

  test('keeps a thief out as well', async () => {
    const { browser } = await startWithFaults();
    const { accessToken, sessionId } = await browser.signIn();
    await browser.call('/dev/faults/offline', { body: { seconds: 60 } });
    const headers = browser.withBearer(accessToken);
    expect((await browser.call('/dev/faults/replay', { headers, body: { generation: 1 } })).status).toBe(503);
    expect(await browser.sessionState(sessionId)).toMatchObject({ generation: 1 });
  });

  test('takes whole seconds up to a minute, and nothing else', async () => {
    const { app } = await buildPlaygroundApp({ ...LOCAL, SIMULATED_FAULTS_ENABLED: 'true' });
    const refused = [-1, 61, 0.5, '5', null].map((seconds) => ({ seconds }));
    for (const body of [...refused, {}, { seconds: 5, more: 1 }]) {
      expectProblem(await post(app, '/dev/faults/offline', body), 422, 'validation_failed');
    }
    expect((await app.inject('/livez')).statusCode).toBe(200);
  });
});

describe('an expired token', () => {
  test("is the caller's own, and refused for nothing but its age", async () => {
    const { browser } = await startWithFaults();
    const { accessToken } = await browser.signIn();
    const headers = browser.withBearer(accessToken);
    const answer = await browser.call('/dev/faults/expired-token', { headers });
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store']);
    const { access_token: expired } = (await answer.json()) as { access_token: string };

    const [given, made] = [claimsOf(accessToken), claimsOf(expired)];
    expect(made).toMatchObject({ sub: given.sub, sid: given.sid, gen: given.gen, iss: given.iss, aud: given.aud });
    expect(made.exp).toBeLessThan(Date.now() / 1000);
    const refused = await browser.call('/v1/me', { headers: browser.withBearer(expired) });
    expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([401, 'access_token_expired']);
    expect((await browser.call('/v1/me', { headers })).status).toBe(200);
  });
});

describe('an old token played by a thief', () => {
  test('ends the session, and its owner reads of somebody else', async () => {
    const { browser } = await startWithFaults();
    const [, , third] = await browser.signInAndRefresh(2);
    if (third === undefined) return expect.unreachable();
    const headers = browser.withBearer(third.accessToken);
    const answer = await browser.call('/dev/faults/replay', { headers, body: { generation: 1 } });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      status: 401,
      body: { status: 401, code: 'refresh_token_reused', request_id: answer.headers.get('x-request-id') },
    });

    const state = await browser.sessionState(third.sessionId);
    expect(state).toMatchObject({ generation: 3, end_reason: 'reuse_detected', ended_at: expect.any(String) });
    const refused = await browser.call('/v1/me', { headers });
    expect(await refused.json()).toMatchObject({ code: 'session_ended', reason: 'reuse_detected' });
    expect((await browser.refresh(third.refreshToken)).status).toBe(401);

    const [owner] = await sql<{ user_id: string }>('SELECT user_id FROM sessions WHERE id = $1', [third.sessionId]);
    const told = (await eventsOf(owner?.user_id ?? '')).find(({ type }) => type === 'refresh_reuse');
    expect(told).toMatchObject({ user_agent: 'Thief/1.0', ip: expect.stringContaining('203.0.113.66') });
  });

  test('answers a thief who was in time as it answers anybody, and shows no token of that', async () => {
    const { browser } = await startWithFaults();
    const { accessToken, sessionId } = await browser.signIn();
    const headers = browser.withBearer(accessToken);
    const answer = await browser.call('/dev/faults/replay', { headers, body: { generation: 1 } });
    const text = await answer.text();
    expect(JSON.parse(text)).toEqual({
      status: 200,
      body: { token_type: 'Bearer', expires_in: 600, session: { id: sessionId } },
    });
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect(text).not.toMatch(/ey[A-Za-z0-9]|[A-Za-z0-9_-]{72}/);
    expect(await browser.sessionState(sessionId)).toMatchObject({ generation: 2 });
  });

  test('does not take a token that was never given out, and touches nothing', async () => {
    const { browser } = await startWithFaults();
    const { accessToken, sessionId } = await browser.signIn();
    const headers = browser.withBearer(accessToken);
    const answer = await browser.call('/dev/faults/replay', { headers, body: { generation: 2_147_483_647 } });
    expect(await answer.json()).toMatchObject({ status: 401, body: { code: 'refresh_token_invalid' } });
    expect(await browser.sessionState(sessionId)).toMatchObject({ generation: 1, end_reason: null });
  });

  test('works on sessions of native apps too', async () => {
    const { app } = await buildPlaygroundApp({ ...LOCAL, SIMULATED_FAULTS_ENABLED: 'true' });
    const body = { email: `${crypto.randomUUID()}@example.test`, password: 'correct horse battery staple' };
    const opened = (await post(app, '/v1/auth/register', { ...body, transport: 'body' })).json();
    const headers = bearer(opened.access_token);
    const replayed = await post(app, '/dev/faults/replay', { generation: 1 }, { headers });
    expect(replayed.json().status).toBe(200);
  });

  test('takes a generation, and nothing else', async () => {
    const { browser } = await startWithFaults();
    const { accessToken } = await browser.signIn();
    const headers = browser.withBearer(accessToken);
    const refused = [0, 2 ** 31, 1.5, '1'].map((generation) => ({ generation }));
    for (const body of [...refused, {}, { generation: 1, id: 'x' }]) {
      const answer = await browser.call('/dev/faults/replay', { headers, body });
      expect(await answer.json(), JSON.stringify(body)).toMatchObject({ code: 'validation_failed' });
    }
  });
});

test.each(['/dev/faults/expired-token', '/dev/faults/replay'])('%s is for who is signed in', async (url) => {
  const { app } = await buildPlaygroundApp({ ...LOCAL, SIMULATED_FAULTS_ENABLED: 'true' });
  expectProblem(await post(app, url, { generation: 1 }), 401, 'access_token_missing');
});

test.each(['0199e0a4-7c1e-7d3a-9d0f-6b1f2a3c4d5e', 'nothing'])('knows no session %s', async (id) => {
  const { app } = await buildPlaygroundApp({ ...LOCAL, SIMULATED_FAULTS_ENABLED: 'true' });
  expectProblem(await app.inject(`/dev/sessions/${id}`), 404, 'session_not_found');
});

test('no other page that is open in the browser can break the service', async () => {
  const { app } = await buildPlaygroundApp({ ...LOCAL, SIMULATED_FAULTS_ENABLED: 'true' });
  const headers = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
  expectProblem(await post(app, '/dev/faults/lose-next-answer', undefined, { headers }), 403, 'origin_not_allowed');
  const offline = await post(app, '/dev/faults/offline', { seconds: 60 }, { headers });
  expectProblem(offline, 403, 'origin_not_allowed');
});

const FAULTS = [
  ['POST', '/dev/faults/lose-next-answer'],
  ['POST', '/dev/faults/offline'],
  ['POST', '/dev/faults/expired-token'],
  ['POST', '/dev/faults/replay'],
  ['GET', '/dev/sessions/0199e0a4-7c1e-7d3a-9d0f-6b1f2a3c4d5e'],
  ['GET', '/dev/mailbox'],
] as const;

test('a service for others has none of it, with the playground and all', async () => {
  const { app } = await buildPlaygroundApp();
  for (const [method, url] of FAULTS) {
    expectProblem(await app.inject({ method, url, payload: { seconds: 60, generation: 1 } }), 404, 'not_found');
  }
  expect((await app.inject('/livez')).statusCode).toBe(200);
});

test('on this machine there are no faults either, unless they are asked for', async () => {
  const { app } = await buildPlaygroundApp(LOCAL);
  for (const [method, url] of FAULTS) expectProblem(await app.inject({ method, url }), 404, 'not_found');
});

function claimsOf(token: string): Record<string, unknown> & { exp: number } {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
}
