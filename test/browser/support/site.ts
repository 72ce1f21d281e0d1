import type { BrowserContext, Page } from 'playwright-core';
import { openBrowser } from '../../support/browser.js';
import { startGatehouse } from '../../support/browser-gatehouse.js';
import type { Answer, Line } from '../../support/browser-line.js';
import { sql } from '../../support/database.js';
import { freshEmail, PASSWORD } from '../../support/test-app.js';
import { openTab, servePage } from './tab.js';

export const REFRESH = '/v1/auth/refresh';
export const LOGOUT = '/v1/auth/logout';

/** Gatehouse with the test page on its own origin, and a browser of one person. */
export async function startSite(...options: Parameters<typeof startGatehouse>) {
  const gatehouse = await startGatehouse(...options);
  await servePage(gatehouse.line);
  const context = await openBrowser();
  return { ...gatehouse, context, openTab: () => openTab(context, gatehouse.origin) };
}

/** As `startSite`, with a tab in which somebody new is signed in. What came so far is forgotten. */
export async function startSignedIn(...options: Parameters<typeof startGatehouse>) {
  const site = await startSite(...options);
  const tab = await site.openTab();
  const person = await signUp(tab);
  site.line.exchanges.length = 0;
  return { ...site, tab, ...person };
}

export async function signUp(tab: Page) {
  const email = freshEmail();
  const ids = await tab.evaluate(
    async (account) => {
      await client.register(account);
      return { userId: client.user?.id ?? '', sessionId: client.session?.id ?? '' };
    },
    { email, password: PASSWORD },
  );
  return { email, ...ids };
}

type SessionRow = { generation: number; confirmed_generation: number; end_reason: string | null };

/** What the database knows of a session. */
export async function sessionRow(sessionId: string): Promise<SessionRow> {
  const [row] = await sql<SessionRow>(
    'SELECT generation, confirmed_generation, end_reason FROM sessions WHERE id = $1',
    [sessionId],
  );
  if (!row) throw new Error(`no session ${sessionId}`);
  return row;
}

/** Which of a session's refresh tokens the browser holds; `null`: none. */
export async function cookieGeneration(context: BrowserContext): Promise<number | null> {
  const cookie = await refreshCookie(context);
  // Where a token says it: see `encodeRefreshToken`.
  return cookie ? Buffer.from(cookie, 'base64url').readUInt32BE(18) : null;
}

export async function refreshCookie(context: BrowserContext): Promise<string | undefined> {
  return (await context.cookies()).find(({ name }) => name.endsWith('refresh_token'))?.value;
}

/**
 * What browsers asked the service: `POST /v1/auth/refresh 200`. Without the test page, and without what confirms a
 * generation, which comes at a time of its own.
 */
export function callsOn(line: Line): string[] {
  return line.exchanges
    .filter(({ path }) => !/^\/(test-page|favicon\.ico|v1\/me$)/.test(path))
    .map(({ method, path, status }) => `${method} ${path} ${status}`);
}

export function countOf(line: Line, path: string): number {
  return line.exchanges.filter((exchange) => exchange.path === path).length;
}

/** The person whom a tab takes for signed in; `null`: nobody; `undefined`: the tab does not know yet. */
export function userIn(tab: Page): Promise<string | null | undefined> {
  return tab.evaluate(() => (client.user ? client.user.email : client.user));
}

/** The events that a tab was told of so far: `signed_out: logout`. */
export function eventsIn(tab: Page): Promise<string[]> {
  return tab.evaluate(() =>
    events.map((event) => (event.type === 'signed_out' ? `${event.type}: ${event.reason}` : event.type)),
  );
}

/** Asks from within a tab, as an app does, and tells the status. */
export function statusOf(tab: Page, path: string): Promise<number> {
  return tab.evaluate(async (url) => (await client.fetch(url)).status, path);
}

/** What a service answers that is not Gatehouse's usual one. */
export function problem(status: number, code: string, headers: Answer['headers'] = {}): Answer {
  return {
    status,
    headers: { ...headers, 'content-type': 'application/problem+json' },
    body: JSON.stringify({ type: 'about:blank', title: code, status, code }),
  };
}

/** A promise that is kept from outside. */
export function createGate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}
