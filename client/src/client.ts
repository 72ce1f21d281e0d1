import { createCall } from './api.js';
import { createAuthorizedFetch } from './authorized-fetch.js';
import { createKeeper } from './keeper.js';
import type { Client, ClientOptions, ListedSession, SignIn } from './types.js';

/** Keeps one person signed in to Gatehouse. Make one for an app. */
export function createClient(options: ClientOptions = {}): Client {
  const { tokenStore, apiOrigins = [] } = options;
  const page = globalThis.location?.origin;
  const baseUrl = (options.baseUrl ?? page).replace(/\/$/, '');
  const send: typeof fetch = options.fetch ?? ((...request) => fetch(...request));
  const credentials = tokenStore ? 'omit' : 'include';
  const call = createCall(send, baseUrl, credentials);
  // Only pages have a cookie to share.
  const tabsName = page && !tokenStore && `gatehouse ${baseUrl}`;
  const { shown, tokens, enter, transport } = createKeeper(call, tokenStore, tabsName);
  const authorizedFetch = createAuthorizedFetch(send, tokens, `${baseUrl}/v1/`, [
    new URL(baseUrl).origin,
    page,
    ...apiOrigins,
  ]);
  const callAuthorized = createCall(authorizedFetch, baseUrl, credentials);
  const endSessions = (path: string) => callAuthorized<void>('DELETE', `/v1/sessions${path}`);
  const askAgain = async () => void (await shown.refresh());

  return Object.assign(shown, {
    async register(account) {
      return (await enter('/v1/auth/register', { ...account, ...(await transport()) })).user ?? null;
    },
    async login(account) {
      const answer = await enter('/v1/auth/login', { ...account, ...(await transport()) });
      return { user: answer.user ?? null, mfaToken: answer.mfa_token } as SignIn;
    },
    async verifySecondFactor({ mfaToken, code }) {
      const { known_device } = await transport();
      return (await enter('/v1/auth/mfa', { mfa_token: mfaToken, code, known_device })).user;
    },
    async reauthenticate(proof) {
      return (await enter('/v1/auth/reauthenticate', proof, await shown.getAccessToken())).user;
    },
    async changePassword(change) {
      return (await enter('/v1/auth/password/change', change, await shown.getAccessToken())).user;
    },
    sessions: {
      list: async () => (await callAuthorized<{ sessions: ListedSession[] }>('GET', '/v1/sessions')).sessions,
      async end(id) {
        await endSessions(`/${id}`);
        // Gatehouse tells why this very session is over, here as anywhere.
        if (id === shown.session?.id) await askAgain();
      },
      endOthers: () => endSessions('?keep_current=true'),
      endAll: () => endSessions('').then(askAgain),
    },
    fetch: authorizedFetch,
  } satisfies Omit<Client, keyof typeof shown>);
}
