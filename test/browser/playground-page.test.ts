import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { freshEmail, PASSWORD } from '../support/test-app.js';
import {
  openLinkOf,
  play,
  readableIn,
  signIn,
  signUp,
  visitPlayground,
  withoutRefusals,
} from './support/playground.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds wrong with the page as it is now, in a line each. */
async function faultsOf(page: Page): Promise<string[]> {
  const { violations } = await page.evaluate<AxeResults>('axe.run()');
  return violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

const SIGHTS: [name: string, options: BrowserContextOptions][] = [
  ['in light colours', { colorScheme: 'light' }],
  ['in dark colours', { colorScheme: 'dark' }],
  ['360 pixels wide', { viewport: { width: 360, height: 740 } }],
];

describe('the playground', () => {
  test.each(SIGHTS)('%s has no fault that axe finds, and nothing sticks out', async (_name, options) => {
    // Only here does a foreign script get in, past the page's policy.
    const { page } = await visitPlayground({}, { ...options, bypassCSP: true });
    await page.evaluate(AXE);
    const expectNone = async (when: string) => {
      expect(await faultsOf(page), when).toEqual([]);
      const [wide, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      expect(wide, when).toBeLessThanOrEqual(seen ?? 0);
    };
    await expectNone('signed out');
    await page.getByRole('button', { name: 'Sign up' }).click();
    await page.locator('[aria-invalid]').first().waitFor();
    await expectNone('refused');
    const email = await signUp(page);
    await page.getByText('this one', { exact: true }).waitFor();
    await openLinkOf(page, /Confirm your address/);
    await page.getByText('What the token says').click();
    await page.locator('#second-factor summary').click();
    await page.getByRole('button', { name: 'Turn it on' }).click();
    await page.getByText('Copy secret').waitFor();
    await page.locator('.mails summary').first().click();
    await play(page, 'Lose the next answer');
    await play(page, 'Refresh from five tabs at once');
    await expectNone('with all that can be open');
    await page.evaluate(() => document.querySelector<HTMLDialogElement>('#prove')?.showModal());
    await expectNone('with the dialog');
    await page.keyboard.press('Escape');
    await play(page, 'Replay an old token as a thief');
    await expectNone('signed out by a thief');
    await signIn(page, email);
    await page.locator('#who').waitFor();
    await expectNone('signed in again');
  });

  test('nobody needs a mouse: signing up, breaking something, reading it and signing out by keyboard alone', async () => {
    const { page } = await visitPlayground();
    const email = freshEmail();
    const focused = () => page.evaluate(() => document.activeElement?.id ?? '');
    const tabTo = async (id: string) => {
      for (let step = 0; step < 60 && (await focused()) !== id; step += 1) await page.keyboard.press('Tab');
      expect(await focused()).toBe(id);
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement ?? document.body).outlineStyle);
      expect(outline, `${id} shows that it has the focus`).toBe('solid');
    };
    await tabTo('email');
    await page.keyboard.type(email);
    await tabTo('password');
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press('Enter');
    await page.locator('#who').waitFor();
    expect(await focused()).toBe('who');
    await tabTo('diagram-scroll');
    await tabTo('five-tabs');
    await page.keyboard.press('Enter');
    await page.locator('#five-tabs-outcome').filter({ hasText: 'Five questions' }).waitFor();
    expect(await page.textContent('#announcer')).toMatch(/^Five questions/);
    await page.keyboard.press('Shift+Tab');
    await page.evaluate(() => document.querySelector<HTMLElement>('#you')?.focus());
    await tabTo('sign-out');
    await page.keyboard.press('Space');
    await page.getByText('You signed out.').first().waitFor();
    expect(await focused()).toBe('sign-out-reason');
  });

  test('no token and no password is in storage, address or page at any time, and nothing offends the policy', async () => {
    const { page, origin, troubles } = await visitPlayground();
    const secrets = new Set<string>([PASSWORD]);
    page.on('response', async (response) => {
      const body = await response.json().catch(() => null);
      for (const name of ['access_token', 'mfa_token']) if (body?.[name]) secrets.add(body[name]);
      for (const { link } of body?.mails ?? []) if (link) secrets.add(new URL(link).hash.split('token=')[1] ?? '');
    });
    const expectNone = async (when: string) => {
      for (const { name, value } of await page.context().cookies()) if (name === 'refresh_token') secrets.add(value);
      const text = await readableIn(page);
      for (const secret of secrets) expect(text.includes(secret), `${when}: ${secret.slice(0, 12)}…`).toBe(false);
      expect(text, when).not.toContain('eyJ');
      expect(page.url(), when).toBe(`${origin}/playground`);
    };
    const email = await signUp(page);
    await expectNone('signed up');
    await openLinkOf(page, /Confirm your address/);
    await page.locator('.mails summary').first().click();
    await expectNone('with the link of a mail open');
    await page.getByRole('button', { name: 'Verify this address' }).click();
    await page.getByText('Your address is verified.').waitFor();
    await page.getByText('What the token says').click();
    await expectNone('with the token decoded');
    for (const scene of ['Lose the next answer', 'Refresh from five tabs at once', 'Let the token expire']) {
      await play(page, scene);
      await expectNone(scene);
    }
    await page.reload();
    await page.locator('#who').waitFor();
    await expectNone('reloaded');
    await play(page, 'Replay an old token as a thief');
    await expectNone('after the thief');
    await signIn(page, email);
    await page.locator('#who').waitFor();
    await expectNone('signed in again');
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    await expectNone('signed out');
    // The access tokens of seven answers at least, the refresh tokens, the link of the mail.
    expect(secrets.size).toBeGreaterThan(12);
    expect(withoutRefusals(troubles)).toEqual([]);
  });

  test('the policy is strict, and holds: what a script of somebody else would do is refused', async () => {
    const { page, origin } = await visitPlayground();
    const response = await page.request.get(`${origin}/playground`);
    expect(response.headers()['content-security-policy']).toMatch(
      /default-src 'none'.*require-trusted-types-for 'script'/,
    );
    const refused = await page.evaluate(() => {
      try {
        document.body.innerHTML = '<p>mine</p>';
        return 'not refused';
      } catch (error) {
        return String(error);
      }
    });
    expect(refused).toMatch(/^TypeError.*TrustedHTML/);
  });
});
