import { expect, test } from 'vitest';
import type { User } from '../../../client/src/types.js';
import { NEW_PASSWORD } from '../../support/accounts.js';
import { sql } from '../../support/database.js';
import { codeOf, enrol } from '../../support/second-factor.js';
import { logIn, PASSWORD } from '../../support/test-app.js';
import { installGuides, signUp } from './install.js';

type SignIn = {
  signIn: (credentials: object, askForCode: () => Promise<string>) => Promise<string | null>;
};

test('sign-in.ts signs in, with a second factor too, and explains what was wrong', async () => {
  const guides = await installGuides();
  const { app, auth } = guides;
  const { signIn } = await guides.load<SignIn>('sign-in.ts');
  const { email } = await signUp(guides);
  const noCode = async () => expect.unreachable();
  expect(await signIn({ email, password: 'not this one' }, noCode)).toMatch(/wrong/);
  await auth.logout();
  expect(await signIn({ email, password: PASSWORD }, noCode)).toBeNull();
  expect(auth.user?.email).toBe(email);

  const { secret } = await enrol(app, await logIn(app, email));
  await auth.logout();
  expect(await signIn({ email, password: PASSWORD }, async () => '000000')).toMatch(/code is wrong/);
  expect(auth.user).toBeNull();
  expect(await signIn({ email, password: PASSWORD }, async () => codeOf(secret))).toBeNull();
  expect(auth.user?.email).toBe(email);
});

test('sign-out-reasons.ts tells why a session ended elsewhere', async () => {
  const guides = await installGuides();
  const { auth } = guides;
  type Reasons = { tellWhySignedOut: (tell: (text: string) => void) => () => void };
  const { tellWhySignedOut } = await guides.load<Reasons>('sign-out-reasons.ts');
  await signUp(guides);
  const told: string[] = [];
  tellWhySignedOut((text) => told.push(text));
  await sql("UPDATE sessions SET ended_at = now(), end_reason = 'revoked' WHERE id = $1", [auth.session?.id]);
  await auth.refresh();
  await expect.poll(() => told).toEqual(['You were signed out from another device.']);
});

type Requests = {
  forgotPassword: (email: string) => Promise<unknown>;
  beginSecondFactor: () => Promise<{ otpauth_url: string }>;
  leave: (password: string) => Promise<void>;
};

test('requests.ts reaches what has no call of its own, and throws what is refused', async () => {
  const guides = await installGuides();
  const { auth } = guides;
  const { forgotPassword, beginSecondFactor, leave } = await guides.load<Requests>('requests.ts');
  const { email } = await signUp(guides);
  expect((await beginSecondFactor()).otpauth_url).toContain('otpauth://totp/');
  // Without mail configured Gatehouse says so.
  await expect(forgotPassword(email)).rejects.toMatchObject({ code: 'mail_not_configured', status: 501 });
  await expect(leave('not this one')).rejects.toMatchObject({ code: 'invalid_credentials' });
  expect(auth.user?.email).toBe(email);
  await leave(PASSWORD);
  expect(auth.user).toBeNull();
  await expect(auth.login({ email, password: PASSWORD })).rejects.toMatchObject({ code: 'invalid_credentials' });
});

type Refusal = { code: string; status: number; retryAfter: number };

test('requests.ts tells how long to wait, as the client’s own calls do', async () => {
  const guides = await installGuides({ environment: { RATE_LIMIT_CREDENTIALS_PER_MINUTE: '1' } });
  const { forgotPassword } = await guides.load<Requests>('requests.ts');
  const { explain } = await guides.load<{ explain: (error: Refusal) => string }>('sign-in.ts');
  await expect(forgotPassword('ada@example.com')).rejects.toMatchObject({ code: 'mail_not_configured' });
  const refused = forgotPassword('ada@example.com').then(() => expect.unreachable());
  const refusal = await refused.catch((error: Refusal) => error);
  expect(refusal).toMatchObject({ name: 'GatehouseError', code: 'rate_limited', status: 429 });
  expect(refusal.retryAfter).toBeGreaterThan(0);
  expect(explain(refusal)).toBe(`Too many attempts. Please wait ${refusal.retryAfter} seconds.`);
  expect(explain({ ...refusal, retryAfter: 0 })).toBe('Too many attempts. Please wait a while.');
});

test('requests.ts throws a GatehouseError for a proxy’s page, and where there is no network', async () => {
  const { load, network } = await installGuides();
  const { forgotPassword } = await load<Requests>('requests.ts');
  const page = (status: number) => () => new Response('<h1>Not what you asked for</h1>', { status });
  const refused = () => expect(forgotPassword('ada@example.com')).rejects;
  const unexpected = { name: 'GatehouseError', code: 'unexpected_answer' };
  network.answer = page(502);
  await refused().toMatchObject({ ...unexpected, status: 502, retryAfter: 0 });
  network.answer = page(200);
  await refused().toMatchObject({ ...unexpected, status: 200 });
  network.answer = () => {
    throw new TypeError('fetch failed');
  };
  await refused().toMatchObject({ name: 'GatehouseError', code: 'network_error', status: 0 });
});

test('step-up.ts asks who is there when a sign-in is too old, and does it again', async () => {
  const guides = await installGuides();
  const { auth } = guides;
  type Work = () => Promise<User>;
  type StepUp = { withRecentSignIn: (work: Work, ask: () => Promise<object>) => Promise<User> };
  const { withRecentSignIn } = await guides.load<StepUp>('step-up.ts');
  const { email } = await signUp(guides);
  const makeOld = "UPDATE sessions SET authenticated_at = authenticated_at - interval '1 hour' WHERE id = $1";
  await sql(makeOld, [auth.session?.id]);
  await auth.refresh();
  const change = () => auth.changePassword({ current_password: PASSWORD, new_password: NEW_PASSWORD });
  await expect(change()).rejects.toMatchObject({ code: 'insufficient_user_authentication' });
  let asked = 0;
  const ask = async () => {
    asked += 1;
    return { password: PASSWORD };
  };
  expect((await withRecentSignIn(change, ask)).email).toBe(email);
  expect(asked).toBe(1);
  const refused = withRecentSignIn(change, ask).catch((error: { code: string }) => error.code);
  expect(await refused).toBe('invalid_credentials');
  expect(asked, 'for another fault nobody is asked').toBe(1);
});
