import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type LaunchOptions,
} from 'playwright-core';
import { onTestFinished } from 'vitest';

let launched: Promise<Browser> | undefined;

/**
 * The Chromium of a test file, closed after it. Names that end in `.test` lead to this machine.
 *
 * @throws when there is no Chromium, with what to install
 */
export async function launchBrowser(): Promise<Browser> {
  launched ??= chromium.launch(launchOptions());
  return launched;
}

function launchOptions(): LaunchOptions {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  if (!existsSync(executablePath)) {
    throw new Error(
      `There is no Chromium at ${executablePath}. Install it (Debian, Ubuntu: apt-get install chromium), or set CHROMIUM to where it is.`,
    );
  }
  return {
    executablePath,
    args: ['--host-resolver-rules=MAP *.test 127.0.0.1'],
    // Its sandbox does not work for root, which is who containers run as.
    chromiumSandbox: process.getuid?.() !== 0,
  };
}

/** Ends what the tests of a file share. */
export async function closeBrowser(): Promise<void> {
  const browser = launched;
  launched = undefined;
  // One that could not be launched has failed the tests that asked for it.
  await browser?.then((opened) => opened.close()).catch(() => {});
}

/** A person's browser, which shares nothing with any other: its tabs share cookies and storage. Closed after the test. */
export async function openBrowser(options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const browser = await launchBrowser();
  // The certificates of the tests are signed by nobody.
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  context.setDefaultTimeout(15_000);
  onTestFinished(() => context.close());
  return context;
}

/**
 * As `openBrowser`, with a profile on disk that says whether cookies of other sites are blocked: what the shared browser
 * does with them differs from release to release. Slower: a Chromium of its own.
 */
export async function openBrowserThat({ blocksOtherSites }: { blocksOtherSites: boolean }): Promise<BrowserContext> {
  const profile = await mkdtemp(path.join(tmpdir(), 'gatehouse-profile-'));
  await mkdir(path.join(profile, 'Default'));
  const settings = {
    profile: { cookie_controls_mode: blocksOtherSites ? 1 : 0, block_third_party_cookies: blocksOtherSites },
  };
  await writeFile(path.join(profile, 'Default/Preferences'), JSON.stringify(settings));
  const context = await chromium.launchPersistentContext(profile, { ...launchOptions(), ignoreHTTPSErrors: true });
  context.setDefaultTimeout(15_000);
  onTestFinished(async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  });
  return context;
}
