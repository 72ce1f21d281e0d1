import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { FastifyInstance } from 'fastify';
import { expect, onTestFinished } from 'vitest';
import type { Client, User } from '../../../client/src/types.js';
import { buildTestApp, freshEmail, PASSWORD } from '../../support/test-app.js';
import { installPackages, unpackGuides } from './unpack.js';

/** Node keeps no cookies: what the guides' `auth.ts` is in these tests has a token store. It answers once it is opened. */
const WITH_TOKEN_STORE = `
const stored = new Map<string, string>();
export let open: () => void;
const opened = new Promise<void>((resolve) => { open = resolve; });
const storage = {
  tokenStore: {
    getItem: (key: string) => opened.then(() => stored.get(key) ?? null),
    setItem: (key: string, value: string) => stored.set(key, value),
    removeItem: (key: string) => stored.delete(key),
  },
};`;

/** A browser where nothing hints at a session: whether it has the cookie is for the test to say. */
const WITHOUT_HINT = `
const storage = {};
export const open = () => {};`;

const AUTH = `
import { createClient } from '@gatehouse/client';
export const network: { cookie?: string; answer?: (request: Request) => Response | undefined } = {};
async function send(...given: Parameters<typeof fetch>) {
  const request = new Request(...given);
  if (network.cookie) request.headers.set('cookie', network.cookie);
  return network.answer?.(request) ?? fetch(request);
}
export const auth = createClient({
  baseUrl: 'ADDRESS',
  apiOrigins: ['https://api.example.com'],
  fetch: send,
  ...storage,
});`;

export type Guides = {
  app: FastifyInstance;
  auth: Client;
  /** Until this is called, it is not known whether anybody is signed in. */
  open: () => void;
  /** `cookie` is sent along; `answer` answers in place of the network, where it does. */
  network: { cookie?: string; answer?: (request: Request) => Response | undefined };
  /** Loads the file of that name. */
  load: <Module>(file: string) => Promise<Module>;
};

type Options = { opened?: boolean; hasTokenStore?: boolean; environment?: NodeJS.ProcessEnv };

/** The code of the guides with its packages, at a Gatehouse that listens. */
export async function installGuides(options: Options = {}): Promise<Guides> {
  const { opened = true, hasTokenStore = true, environment } = options;
  const { app } = await buildTestApp(environment);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const folder = await unpackGuides(app.listeningOrigin);
  await installPackages(folder);
  const storage = hasTokenStore ? WITH_TOKEN_STORE : WITHOUT_HINT;
  await writeFile(path.join(folder, 'auth.ts'), storage + AUTH.replace('ADDRESS', app.listeningOrigin));
  const load = (file: string) => import(path.join(folder, file));
  const { auth, open, network } = await load('auth.ts');
  onTestFinished(() => auth.close());
  if (opened) open();
  return { app, auth, open, network, load };
}

export async function signUp({ auth }: Guides): Promise<User> {
  const user = await auth.register({ email: freshEmail(), password: PASSWORD });
  return user ?? expect.unreachable();
}
