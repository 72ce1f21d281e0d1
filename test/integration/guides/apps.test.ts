import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { FastifyInstance } from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import type { Client, User } from '../../../client/src/types.js';
import { NEW_PASSWORD } from '../../support/accounts.js';
import { sql } from '../../support/database.js';
import { codeOf, enrol } from '../../support/second-factor.js';
import { buildTestApp, freshEmail, logIn, PASSWORD } from '../../support/test-app.js';
import { installPackages, unpackGuides } from './unpack.js';

/** Node keeps no cookies: what the guides' `auth.ts` is in these tests has a token store. It answers once it is opened. */
const AUTH_IN_NODE = `
import { createClient } from '@gatehouse/client';
const stored = new Map<string, string>();
export let open: () => void;
const opened = new Promise<void>((resolve) => { open = resolve; });
export const auth = createClient({
  baseUrl: 'ADDRESS',
  tokenStore: {
    getItem: (key) => opened.then(() => stored.get(key) ?? null),
    setItem: (key, value) => stored.set(key, value),
    removeItem: (key) => stored.delete(key),
  },
});`;

type Guides = {
  app: FastifyInstance;
  auth: Client;
  /** Until this is called, it is not known whether anybody is signed in. */
  open: () => void;
  /** Loads the file of that name. */
  load: <Module>(file: string) => Promise<Module>;
};

/** The code of the guides with its packages, at a Gatehouse that listens. */
async function installGuides({ opened = true } = {}): Promise<Guides> {
  const { app } = await buildTestApp();
  await app.listen({ host: '127.0.0.1', port: 0 });
  const folder = await unpackGuides(app.listeningOrigin);
  await installPackages(folder);
  await writeFile(path.join(folder, 'auth.ts'), AUTH_IN_NODE.replace('ADDRESS', app.listeningOrigin));
  const load = (file: string) => import(path.join(folder, file));
  const { auth, open } = await load('auth.ts');
  onTestFinished(() => auth.close());
  if (opened) open();
  return { app, auth, open, load };
}

async function signUp({ auth }: Guides): Promise<User> {
  const user = await auth.register({ email: freshEmail(), password: PASSWORD });
  return user ?? expect.unreachable();
}

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

test('start.ts shows what is known, each time that it changes', async () => {
  const guides = await installGuides({ opened: false });
  const { startApp } = await guides.load<{ startApp: (show: (user: unknown) => void) => Promise<void> }>('start.ts');
  const shown: unknown[] = [];
  const started = startApp((user) => shown.push(user));
  expect(shown).toEqual([undefined]);
  guides.open();
  await started;
  expect(shown.at(-1)).toBeNull();
  const user = await signUp(guides);
  await expect.poll(() => shown.at(-1)).toEqual(user);
  await guides.auth.logout();
  await expect.poll(() => shown.at(-1)).toBeNull();
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

test('useUser of React renders what is not known, nobody, the user; nothing once it is unmounted', async () => {
  const guides = await installGuides({ opened: false });
  const { useUser } = await guides.load<{ useUser: () => unknown }>('react/use-user.ts');
  type Stand = { mount: (hook: () => unknown) => { renders: unknown[]; unmount: () => void } };
  const { mount } = await guides.load<Stand>('node_modules/react/index.js');
  const component = mount(useUser);
  expect(component.renders).toEqual([undefined]);
  guides.open();
  await expect.poll(() => component.renders).toEqual([undefined, null]);
  const user = await signUp(guides);
  await expect.poll(() => component.renders).toEqual([undefined, null, user]);
  await guides.auth.logout();
  await expect.poll(() => component.renders).toEqual([undefined, null, user, null]);
  component.unmount();
  const renders = component.renders.length;
  await guides.auth.login({ email: user.email, password: PASSWORD });
  expect(component.renders).toHaveLength(renders);
});

test('useUser of Vue holds what is not known, nobody, the user; nothing new once its scope has ended', async () => {
  const guides = await installGuides({ opened: false });
  const { useUser } = await guides.load<{ useUser: () => { value: unknown } }>('vue/use-user.ts');
  type Stand = { scope: (setup: () => { value: unknown }) => { result: { value: unknown }; stop: () => void } };
  const { scope } = await guides.load<Stand>('node_modules/vue/index.js');
  const { result, stop } = scope(useUser);
  expect(result.value).toBeUndefined();
  guides.open();
  await expect.poll(() => result.value).toBeNull();
  const user = await signUp(guides);
  await expect.poll(() => result.value).toEqual(user);
  stop();
  await guides.auth.logout();
  expect(result.value).toEqual(user);
});

test('mobile/auth.ts keeps a person signed in through a restart, and knows the device after signing out', async () => {
  const guides = await installGuides();
  const start = async (process: number) => {
    const { auth } = await guides.load<{ auth: Client }>(`mobile/auth.ts?process=${process}`);
    onTestFinished(() => auth.close());
    await auth.ready;
    return auth;
  };
  const { stored } = await guides.load<{ stored: Map<string, string> }>('node_modules/expo-secure-store/index.js');
  const first = await start(1);
  expect(first.user).toBeNull();
  const user = await first.register({ email: freshEmail(), password: PASSWORD });
  expect([...stored.keys()].sort()).toEqual(['gatehouse.known_device', 'gatehouse.refresh_token']);
  first.close();
  const second = await start(2);
  expect(second).not.toBe(first);
  expect(second.user).toEqual(user);
  await second.logout();
  expect([...stored.keys()]).toEqual(['gatehouse.known_device']);
  expect((await start(3)).user).toBeNull();
});
