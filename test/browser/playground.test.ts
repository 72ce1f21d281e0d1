import { describe, expect, test } from 'vitest';
import { sql } from '../support/database.js';
import { codeOf } from '../support/second-factor.js';
import { freshEmail, PASSWORD } from '../support/test-app.js';
import { field, linesIn, openLinkOf, signIn, signUp, visitPlayground, withoutRefusals } from './support/playground.js';

const NEW_PASSWORD = 'another horse, another battery';

describe('the playground', () => {
  test('whoever signs up sees who they are, their token, their session and what happened', async () => {
    const { page, troubles } = await visitPlayground();
    const email = await signUp(page);
    expect(await page.textContent('#who')).toBe(email);
    await page.getByText('this one', { exact: true }).waitFor();
    await page.getByText('Account made').waitFor();
    await page
      .locator('#countdown')
      .filter({ hasText: /^(10:00|9:5\d)$/ })
      .waitFor();
    await page.getByText('What the token says').click();
    const said = (await page.locator('#claims-list dt code').allTextContents()).join(' ');
    expect(said).toBe('alg typ kid iss aud client_id sub sid gen iat exp auth_time amr jti');
    await page.locator('[data-state=confirmed]').waitFor();
    expect((await linesIn(page)).slice(0, 3)).toEqual([
      'Browser to server: POST /v1/auth/register address, password',
      'Server to browser: 201 access token 1 · Set-Cookie: refresh token 1',
      'signed in',
    ]);
    expect(troubles).toEqual([]);
  });

  test('what is refused is said next to the field that it is about', async () => {
    const { page } = await visitPlayground();
    await field(page, 'E-mail address').fill(freshEmail());
    await field(page, 'Password').fill('password');
    await page.getByRole('button', { name: 'Sign up' }).click();
    const password = page.locator('#password[aria-invalid=true]');
    await password.waitFor();
    const described = await password.getAttribute('aria-describedby');
    expect(await page.textContent(`#${described}`)).toMatch(/\w+ \w+/);
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('password');
    await password.fill(`${PASSWORD} `);
    expect(await page.locator('.error').count()).toBe(0);
  });

  test('the link of a mail verifies the address after a click, and never before', async () => {
    const { page, troubles } = await visitPlayground();
    await signUp(page);
    await openLinkOf(page, /Confirm your address/);
    await page.getByText('Is this your address?').waitFor();
    expect(await page.textContent('#verified')).toMatch(/not verified/);
    await page.getByRole('button', { name: 'Verify this address' }).click();
    await page.getByText('Your address is verified.').waitFor();
    await page.getByText('Address verified', { exact: true }).first().waitFor();
    expect(troubles).toEqual([]);
  });

  test('a link that is opened from a mail program works on arrival, and leaves no token in the address', async () => {
    const { page, origin } = await visitPlayground();
    await signUp(page);
    await page.getByText(/Confirm your address/).waitFor();
    const { mails } = await page.evaluate(async () => (await fetch('/dev/mailbox')).json());
    const before = await page.evaluate(() => history.length);
    await page.goto(mails[0].link);
    await page.getByRole('button', { name: 'Verify this address' }).waitFor();
    expect(page.url()).toBe(`${origin}/playground`);
    expect(await page.evaluate(() => history.length)).toBeLessThanOrEqual(before + 1);
    await page.getByRole('button', { name: 'Verify this address' }).click();
    await page.getByText('Your address is verified.').waitFor();
    await page.goto(mails[0].link);
    await page.getByRole('button', { name: 'Verify this address' }).click();
    await page.getByText(/This link is not valid any more/).waitFor();
  });

  test('a forgotten password is replaced by mail, and the new one signs in', async () => {
    const { page, troubles } = await visitPlayground();
    const email = await signUp(page);
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.getByText('You signed out.').first().waitFor();
    await page.getByRole('button', { name: 'Forgot your password?' }).click();
    expect(await field(page, 'E-mail address').inputValue()).toBe(email);
    await page.getByRole('button', { name: 'Mail me a link' }).click();
    await openLinkOf(page, /Choose a new password/);
    await field(page, 'New password').fill(NEW_PASSWORD);
    await page.getByRole('button', { name: 'Set the new password' }).click();
    await page.getByText('Your new password is set. Sign in with it.').waitFor();
    await signIn(page, email, PASSWORD);
    await page.getByText('The address or the password is wrong.').waitFor();
    await signIn(page, email, NEW_PASSWORD);
    await page.getByText('New password by mail').waitFor();
    expect(withoutRefusals(troubles)).toEqual([]);
  });

  test('a second factor is turned on, asked for, and turned off; its secret leaves the page with the form', async () => {
    const { page, troubles } = await visitPlayground();
    const email = await signUp(page);
    await page.locator('#second-factor summary').click();
    await page.getByRole('button', { name: 'Turn it on' }).click();
    await page.getByText('Copy secret').waitFor();
    const [secret = '', address = ''] = await page.locator('.copyable code').allTextContents();
    expect(address).toMatch(/^otpauth:\/\/totp\//);
    await field(page, 'Code that the app shows').fill(codeOf(secret));
    await page.getByRole('button', { name: 'Confirm' }).click();
    await page.getByText('It is on. Each of these codes').waitFor();
    const codes = await page.locator('.codes code').allTextContents();
    expect(codes).toHaveLength(10);
    expect(await page.content()).not.toContain(secret);
    await page.getByRole('button', { name: 'I have kept them' }).click();
    await page.getByText('It is on, with 10 recovery codes left.').waitFor();
    expect(await page.content()).not.toContain(codes[0]);

    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await signIn(page, email);
    await page.getByText('One more step').waitFor();
    await field(page, 'Code of your app, or a recovery code').fill('000000');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText(/The code is wrong/).waitFor();
    await field(page, 'Code of your app, or a recovery code').fill(codeOf(secret, 1));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.locator('#who').waitFor();

    await page.locator('#second-factor summary').click();
    await field(page, 'Password').fill(PASSWORD);
    await field(page, 'Code, or a recovery code').fill(codes[0] ?? '');
    await page.getByRole('button', { name: 'Turn it off' }).click();
    await page.getByText('The second factor is off.').waitFor();
    await page.getByRole('button', { name: 'Turn it on' }).waitFor();
    expect(withoutRefusals(troubles)).toEqual([]);
  });

  test('what needs a recent sign-in asks for the password in between, and goes on', async () => {
    const { page } = await visitPlayground();
    const email = await signUp(page);
    await sql(
      `UPDATE sessions SET authenticated_at = now() - interval '1 day'
       WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
      [email],
    );
    await page.getByRole('button', { name: 'Refresh now' }).click();
    await page.locator('#page-generation').filter({ hasText: '2' }).waitFor();
    await page.locator('#second-factor summary').click();
    await page.getByRole('button', { name: 'Turn it on' }).click();
    await page.getByRole('dialog', { name: 'Is it still you?' }).waitFor();
    await field(page, 'Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByText('Copy secret').waitFor();
    expect(await linesIn(page)).toContain('Server to browser: 401 insufficient_user_authentication');
  });

  test('a session that is ended from another browser signs out this one, with the reason', async () => {
    const { page, origin } = await visitPlayground();
    const email = await signUp(page);
    const other = await (await page.context().browser())?.newContext();
    const second = await other?.newPage();
    if (!other || !second) throw new Error('there is no second browser');
    await second.goto(`${origin}/playground`);
    await signIn(second, email);
    await second.getByRole('button', { name: 'End the other one' }).click();
    await second.getByText('A session was ended').waitFor();
    await other.close();
    await page.getByRole('button', { name: 'Refresh now' }).click();
    await page.getByText('You were signed out: this session was ended from a list of sessions.').first().waitFor();
  });

  test('without faults and mailbox, as in production, the flow is there and nothing that breaks it', async () => {
    const none = { SIMULATED_FAULTS_ENABLED: 'false', SMTP_URL: undefined, MAIL_FROM: undefined, APP_URL: undefined };
    const { page, troubles } = await visitPlayground(none);
    const requested: string[] = [];
    page.on('request', (request) => requested.push(request.url()));
    await signUp(page);
    await page.getByRole('button', { name: 'Refresh now' }).click();
    await page.getByText('refreshed: generation 2').waitFor();
    await page.getByText('this one', { exact: true }).waitFor();
    for (const heading of ['What goes wrong', 'Mailbox']) {
      expect(await page.getByRole('heading', { name: heading }).count()).toBe(0);
    }
    expect(await page.getByRole('link', { name: 'Mailbox as JSON' }).count()).toBe(0);
    await page.getByRole('button', { name: 'Sign out everywhere' }).click();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    expect(requested.filter((url) => url.includes('/dev/'))).toEqual([]);
    expect(withoutRefusals(troubles)).toEqual([]);
  });
});
