/**
 * `npm run screenshots`: plays a scene on the playground in Chromium, and takes the pictures of the README: light, dark,
 * and on a phone.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { buildPlayground } from './development-playground.js';
import { startService } from './throwaway-service.js';

const SHOTS: Record<string, BrowserContextOptions> = {
  light: { viewport: { width: 1440, height: 960 }, colorScheme: 'light' },
  dark: { viewport: { width: 1440, height: 960 }, colorScheme: 'dark' },
  phone: { viewport: { width: 360, height: 780 }, deviceScaleFactor: 2, colorScheme: 'light', hasTouch: true },
};

const out = process.argv[2] ?? 'docs/images';
const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-screenshots-'));
await buildPlayground(folder);
const service = await startService(
  { PLAYGROUND_ENABLED: 'true', SIMULATED_FAULTS_ENABLED: 'true' },
  { playgroundFolder: folder },
);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
try {
  for (const [name, options] of Object.entries(SHOTS)) {
    await shoot(browser, name, options);
    console.log(`wrote ${out}/playground-${name}.png`);
  }
} finally {
  await browser.close();
  await service.stop();
  await rm(folder, { recursive: true });
}

async function shoot(browser: Browser, name: string, options: BrowserContextOptions): Promise<void> {
  const context = await browser.newContext({ ...options, locale: 'en-GB', reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.on('console', (m) => console.log(name, m.type(), m.text()));
  page.on('pageerror', (e) => console.log(name, e));
  await page.goto(`${service.url}/playground`);
  await signIn(page, name === 'light');
  await play(page, 'lose-answer', /rotated once/);
  await page.screenshot({ path: path.join(out, `playground-${name}.png`) });
  await context.close();
}

/** The first picture makes the account, and the others sign in to it. */
async function signIn(page: Page, isNew: boolean): Promise<void> {
  if (!isNew) await page.getByText('Sign in', { exact: true }).first().click();
  await page.locator('#email').fill('ada@example.com');
  await page.locator('#password').fill('correct horse battery staple');
  await page.locator('#enter .primary').click();
  await page.locator('#who').waitFor();
}

async function play(page: Page, scene: string, outcome: RegExp): Promise<void> {
  await page.locator(`#${scene}`).click();
  await page.locator(`#${scene}-outcome`).filter({ hasText: outcome }).waitFor();
}
