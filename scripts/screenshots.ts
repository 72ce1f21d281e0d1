/**
 * `npm run screenshots`: plays scenes on the playground in Chromium, and takes the pictures of the README: light, dark
 * and on a phone. Another folder than docs/images: `npm run screenshots -- folder`.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { buildPlayground } from './development-playground.js';
import { startService } from './throwaway-service.js';

const PERSON = { email: 'ada@example.com', password: 'correct horse battery staple' };
const DESK = { width: 1440, height: 1000 };
const PHONE = { width: 360, height: 740 };

type Shot = { name: string; options: BrowserContextOptions; play: (page: Page) => Promise<void> };

const SHOTS: Shot[] = [
  {
    name: 'light',
    options: { viewport: DESK, colorScheme: 'light' },
    async play(page) {
      await enter(page, 'Sign up');
      await press(page, 'thief');
      await enter(page, 'Sign in');
      await page.getByText('A copied refresh token came back').waitFor();
      await page.getByText('A device was signed out').waitFor();
      await page.locator('#clear').click();
      await press(page, 'lose-answer');
      await page.locator('[data-state=confirmed]').waitFor();
    },
  },
  {
    name: 'dark',
    options: { viewport: DESK, colorScheme: 'dark' },
    async play(page) {
      await enter(page, 'Sign in');
      await press(page, 'expire');
      await press(page, 'thief');
      await page.evaluate('scrollTo(0, 0)');
    },
  },
  {
    name: 'phone',
    options: { viewport: PHONE, deviceScaleFactor: 2, colorScheme: 'light' },
    async play(page) {
      await enter(page, 'Sign in');
      await press(page, 'five-tabs');
      await page.evaluate("document.getElementById('flow-title').scrollIntoView()");
    },
  },
];

const folder = path.resolve(process.argv[2] ?? 'docs/images');
const built = await mkdtemp(path.join(tmpdir(), 'gatehouse-screenshots-'));
await mkdir(folder, { recursive: true });
await buildPlayground(built);
const service = await startService(
  { PLAYGROUND_ENABLED: 'true', SIMULATED_FAULTS_ENABLED: 'true' },
  { playgroundFolder: built },
);
try {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    chromiumSandbox: process.getuid?.() !== 0,
  });
  for (const shot of SHOTS) await take(browser, shot);
  await browser.close();
} finally {
  await service.stop();
  await rm(built, { recursive: true });
}
process.exit();

async function take(browser: Browser, { name, options, play }: Shot): Promise<void> {
  const context = await browser.newContext({ ...options, locale: 'en-GB', reducedMotion: 'reduce' });
  const page = await context.newPage();
  await page.goto(`${service.url}/playground`);
  await play(page);
  // Whoever looks at the picture is not about to press a button.
  await page.mouse.move(0, 0);
  const file = path.join(folder, `playground-${name}.png`);
  await page.screenshot({ path: file });
  console.log(`wrote ${path.relative('.', file)}`);
  await context.close();
}

async function enter(page: Page, way: 'Sign up' | 'Sign in'): Promise<void> {
  await page.getByRole('radio', { name: way }).check();
  await page.locator('#email').fill(PERSON.email);
  await page.locator('#password').fill(PERSON.password);
  await page.locator('#enter button[type=submit]').click();
  await page.locator('#who').waitFor();
}

/** Until the page has said what came of it. */
async function press(page: Page, scene: string): Promise<void> {
  await page.locator(`#${scene}`).click();
  await page.locator(`#${scene}-outcome:not([data-playing]):not(:empty)`).waitFor();
}
