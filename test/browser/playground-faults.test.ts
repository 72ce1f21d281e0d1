import { describe, expect, test } from 'vitest';
import {
  generationsIn,
  linesIn,
  play,
  signIn,
  signUp,
  visitPlayground,
  withoutRefusals,
} from './support/playground.js';

const refresh = (token: number) => `Browser to server: POST /v1/auth/refresh cookie: refresh token ${token}`;
const answer = (token: number) => `Server to browser: 200 access token ${token} · Set-Cookie: refresh token ${token}`;

/** What a scene's own part of the diagram is, without the client's confirmation, which comes when it comes. */
function played(lines: string[]): string[] {
  return lines.filter((line) => !/GET \/v1\/me access token \d+$|200 \S+@/.test(line));
}

describe('the playground', () => {
  test('a lost answer is asked for again, and answered with the same generation', async () => {
    const { page, troubles } = await visitPlayground();
    await signUp(page);
    const outcome = await play(page, 'Lose the next answer');
    expect(outcome).toBe(
      'Asked twice, rotated once: page and server are both at generation 3, and you are still signed in.',
    );
    expect(played(await linesIn(page, 'Lose the next answer'))).toEqual([
      refresh(1),
      answer(2),
      'refreshed: generation 2',
      'this page lets the client believe: good for 2 seconds',
      refresh(2),
      'Server to browser: 200 a new pair of tokens the answer is lost on its way',
      refresh(2),
      answer(3),
      'refreshed: generation 3',
      outcome,
    ]);
    expect(await generationsIn(page)).toEqual({ page: 3, server: 3 });
    expect(withoutRefusals(troubles)).toEqual([]);
  });

  test('five tabs at once cause one rotation, and all get the same generation', async () => {
    const { page, troubles } = await visitPlayground();
    await signUp(page);
    const outcome = await play(page, 'Refresh from five tabs at once');
    const { page: own, server } = await generationsIn(page);
    expect({ own, server }).toEqual({ own: server, server });
    expect(outcome).toBe(
      `Five questions, one rotation: all five were answered with generation ${own - 1}. The client then made it ${own}.`,
    );
    // A machine so busy that the tabs were not at once makes the page try again: the last time counts.
    const lines = played(await linesIn(page, 'Refresh from five tabs at once'));
    const [tabs, rest] = [lines.slice(-14, -4), lines.slice(-4)];
    for (const tab of [1, 2, 3, 4, 5]) {
      expect(tabs).toContain(`Tab ${tab} to server: Tab ${tab} POST /v1/auth/refresh cookie: refresh token ${own - 2}`);
      expect(tabs).toContain(
        `Server to tab ${tab}: Tab ${tab} 200 access token ${own - 1} · Set-Cookie: refresh token ${own - 1}`,
      );
    }
    expect(rest).toEqual([refresh(own - 1), answer(own), `refreshed: generation ${own}`, outcome]);
    expect(troubles).toEqual([]);
  });

  test("a thief's old token ends the session for both, and the page says why", async () => {
    const { page, troubles } = await visitPlayground();
    const email = await signUp(page);
    const outcome = await play(page, 'Replay an old token as a thief');
    expect(outcome).toMatch(/^The thief got 401 refresh_token_reused, and you were signed out: reuse_detected\./);
    const lines = await linesIn(page, 'Replay an old token as a thief');
    expect(lines.slice(lines.indexOf('Thief to server: POST /v1/auth/refresh a copy of refresh token 1'))).toEqual([
      'Thief to server: POST /v1/auth/refresh a copy of refresh token 1',
      'Server to thief: 401 refresh_token_reused',
      'Browser to server: GET /v1/me access token 3',
      'Server to browser: 401 session_ended reuse_detected',
      refresh(3),
      'Server to browser: 401 session_ended reuse_detected',
      'signed out: reuse_detected',
      outcome,
    ]);
    const reason = page.getByText('You were signed out for safety: somebody else used a copy of your refresh token.');
    await reason.first().waitFor();
    // The owner finds both in the events afterwards, and a mail.
    await signIn(page, email);
    await page.getByText('A copied refresh token came back').waitFor();
    await page.getByText('from 203.0.113.66, Thief/1.0').waitFor();
    await page.getByText(/^A device was signed out/).waitFor();
    expect(withoutRefusals(troubles)).toEqual([]);
  });

  test('an expired token is refused, replaced, and the same request made again', async () => {
    const { page, troubles } = await visitPlayground();
    const email = await signUp(page);
    expect(await play(page, 'Let the token expire')).toMatch(/^Refused, refreshed, repeated/);
    expect((await linesIn(page, 'Let the token expire')).slice(0, 7)).toEqual([
      'Browser to server: GET /v1/me access token 1, expired',
      'Server to browser: 401 access_token_expired',
      refresh(1),
      answer(2),
      'refreshed: generation 2',
      'Browser to server: GET /v1/me access token 2',
      `Server to browser: 200 ${email}`,
    ]);
    expect(withoutRefusals(troubles)).toEqual([]);
  });

  test('a server that is away for ten seconds signs nobody out, and is found again', async () => {
    const { page, troubles } = await visitPlayground();
    const email = await signUp(page);
    const outcome = await play(page, 'Take the server offline');
    expect(outcome).toMatch(
      /^Healed by itself after \d+ requests without an answer, and you were signed in all along\.$/,
    );
    const lines = await linesIn(page, 'Take the server offline');
    expect(lines.filter((line) => line === `${refresh(2)} does not arrive`).length).toBeGreaterThanOrEqual(2);
    expect(played(lines).slice(-4)).toEqual([refresh(2), answer(3), 'refreshed: generation 3', outcome]);
    expect(lines.filter((line) => line.startsWith('signed'))).toEqual([]);
    expect(await page.textContent('#who')).toBe(email);
    expect(withoutRefusals(troubles)).toEqual([]);
  });

  test('signing out everywhere ends every session, and tells the client why', async () => {
    const { page, troubles } = await visitPlayground();
    await signUp(page);
    expect(await play(page, 'Sign out everywhere')).toBe(
      'All sessions are over, and the client was told why: revoked.',
    );
    expect((await linesIn(page, 'Sign out everywhere')).slice(0, 5)).toEqual([
      'Browser to server: DELETE /v1/sessions access token 1',
      'Server to browser: 204',
      refresh(1),
      'Server to browser: 401 session_ended revoked',
      'signed out: revoked',
    ]);
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    expect(withoutRefusals(troubles)).toEqual([]);
  });

  test('nothing goes wrong for nobody: signed out, each button says what it needs', async () => {
    const { page } = await visitPlayground();
    const buttons = page.locator('#scenes button');
    expect(await buttons.count()).toBe(6);
    for (const button of await buttons.all()) {
      expect(await button.isDisabled()).toBe(true);
      await button.click({ force: true });
    }
    await page.getByText('Sign in first: these happen to a session of yours.').waitFor();
    expect(await linesIn(page)).toEqual([]);
  });
});
