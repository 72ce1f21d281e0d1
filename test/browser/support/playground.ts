import path from 'node:path';
import type { BrowserContextOptions, Locator, Page } from 'playwright-core';
import { expect, inject } from 'vitest';
import { buildPlayground } from '../../../scripts/development-playground.js';
import { findFreePort } from '../../../scripts/embedded-postgres.js';
import { openBrowser } from '../../support/browser.js';
import { buildTestApp, freshEmail, PASSWORD } from '../../support/test-app.js';

let building: Promise<string> | undefined;

/** Once for a test file, and in a folder that files at the same time do not share. */
function builtPlayground(): Promise<string> {
  building ??= (async () => {
    const folder = path.resolve('.gatehouse/test-playground', `${inject('postgres').template}-${process.pid}`);
    await buildPlayground(folder);
    return folder;
  })();
  return building;
}

export type Visit = { page: Page; origin: string; troubles: string[] };

/** The playground of a service as `npm run dev` starts one, opened in a browser of its own. */
export async function visitPlayground(
  environment: NodeJS.ProcessEnv = {},
  options: BrowserContextOptions = {},
): Promise<Visit> {
  const port = await findFreePort();
  const origin = `http://localhost:${port}`;
  // Without the line of other tests: faults break connections, and that must be all that is between.
  const { app } = await buildTestApp(
    {
      ISSUER_URL: origin,
      COOKIE_SECURE: 'false',
      SMTP_URL: 'memory:',
      MAIL_FROM: 'Gatehouse <no-reply@gatehouse.test>',
      APP_URL: `${origin}/playground`,
      PLAYGROUND_ENABLED: 'true',
      SIMULATED_FAULTS_ENABLED: 'true',
      ...environment,
    },
    { playgroundFolder: await builtPlayground() },
  );
  await app.listen({ host: 'localhost', port });
  const context = await openBrowser({ reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  const troubles = await collectTroubles(page);
  await page.goto(`${origin}/playground`);
  await page.locator('#entrance').waitFor();
  return { page, origin, troubles };
}

/** All that a browser complains about, what its policy stops included. */
async function collectTroubles(page: Page): Promise<string[]> {
  const troubles: string[] = [];
  page.on('pageerror', (error) => troubles.push(String(error)));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) troubles.push(message.text());
  });
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, sourceFile }) => {
      console.error(`policy: ${violatedDirective} in ${sourceFile}`);
    });
  });
  return troubles;
}

/** Without the lines that browsers write for every answer that is an error, and for every one that is missing. */
export function withoutRefusals(troubles: string[]): string[] {
  return troubles.filter(
    (text) => !/^Failed to load resource: (the server responded with a status of 4|net::)/.test(text),
  );
}

/** Forms that are not open have fields too. */
export function field(page: Page, label: string): Locator {
  return page.getByLabel(label, { exact: true }).filter({ visible: true });
}

/** @returns the address of somebody new, who is signed in */
export async function signUp(page: Page): Promise<string> {
  const email = freshEmail();
  await field(page, 'E-mail address').fill(email);
  await field(page, 'Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign up' }).click();
  await page.getByText(email, { exact: true }).first().waitFor();
  return email;
}

export async function signIn(page: Page, email: string, password = PASSWORD): Promise<void> {
  await page.getByRole('radio', { name: 'Sign in' }).check();
  await field(page, 'E-mail address').fill(email);
  await field(page, 'Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** Opens the link of the newest mail with this subject. */
export async function openLinkOf(page: Page, subject: RegExp): Promise<void> {
  await page.getByRole('button', { name: subject }).first().click();
}

/** Presses a button for what goes wrong, and waits until it is over. @returns what the page says came of it */
export async function play(page: Page, title: string): Promise<string> {
  const button = page.getByRole('button', { name: title });
  const id = await button.getAttribute('id');
  await button.click();
  const outcome = page.locator(`#${id}-outcome:not(:empty):not([data-playing])`);
  await outcome.waitFor({ timeout: 40_000 });
  return (await outcome.textContent()) ?? '';
}

/** What the diagram shows, oldest first; from the title of a scene on, if one is given. Times taken are left out. */
export async function linesIn(page: Page, scene?: string): Promise<string[]> {
  const texts = await page.locator('#lines li').allTextContents();
  const lines = texts.map((text) =>
    text
      .replace(/\s+/g, ' ')
      .replace(/ \d+ ms$/, '')
      .trim(),
  );
  const start = scene === undefined ? 0 : lines.lastIndexOf(scene) + 1;
  expect(scene === undefined || start > 0, `the diagram shows "${scene}"`).toBe(true);
  return lines.slice(start);
}

/** What the page tells of its refresh generation, and of the server's. */
export async function generationsIn(page: Page): Promise<{ page: number; server: number }> {
  const [own, server] = await Promise.all(['#page-generation', '#server-generation'].map((id) => page.textContent(id)));
  return { page: Number(own), server: Number(server) };
}

/** All that a script of the page could read and that outlives or leaves the client's memory, as text. */
export function readableIn(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const stores = [localStorage, sessionStorage].map((store) => JSON.stringify(store));
    const databases = (await indexedDB.databases()).map(({ name }) => name);
    const inputs = [...document.querySelectorAll('input')].map(({ value }) => value);
    const requested = performance.getEntriesByType('resource').map(({ name }) => name);
    const rest = [location.href, document.cookie, document.title, JSON.stringify(history.state)];
    return [document.documentElement.outerHTML, ...stores, ...databases, ...inputs, ...requested, ...rest].join('\n');
  });
}
