import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium } from 'playwright-core';
import { onTestFinished } from 'vitest';

const launched = new Map<string, Promise<Browser>>();

/**
 * The Chromium of a test file, one for each set of flags; closed after the file. Names that end in `.test` lead to this
 * machine.
 *
 * @throws when there is no Chromium, with what to install
 */
export function launchBrowser(flags: readonly string[] = []): Promise<Browser> {
  const key = flags.join(' ');
  const browser = launched.get(key) ?? launch(flags);
  launched.set(key, browser);
  return browser;
}

async function launch(flags: readonly string[]): Promise<Browser> {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  if (!existsSync(executablePath)) {
    throw new Error(
      `There is no Chromium at ${executablePath}. Install it (Debian, Ubuntu: apt-get install chromium), or set CHROMIUM to where it is.`,
    );
  }
  return chromium.launch({
    executablePath,
    args: ['--host-resolver-rules=MAP *.test 127.0.0.1', ...flags],
    // Its sandbox does not work for root, which is who containers run as.
    chromiumSandbox: process.getuid?.() !== 0,
  });
}

/** Ends what the tests of a file share. */
export async function closeBrowsers(): Promise<void> {
  const all = await Promise.allSettled(launched.values());
  launched.clear();
  // One that could not be launched has failed the tests that asked for it.
  for (const one of all) if (one.status === 'fulfilled') await one.value.close();
}

/** A person's browser, which shares nothing with any other: its tabs share cookies and storage. Closed after the test. */
export async function openBrowser(
  options: BrowserContextOptions & { flags?: readonly string[] } = {},
): Promise<BrowserContext> {
  const { flags, ...rest } = options;
  const browser = await launchBrowser(flags);
  // The certificates of the tests are signed by nobody.
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...rest });
  context.setDefaultTimeout(15_000);
  onTestFinished(() => context.close());
  return context;
}
