import { type Call, reasonOfSignOut, type TokenResponse } from './api.js';
import type { GatehouseError } from './error.js';
import { type HeldTokens, holdTokens } from './held-tokens.js';
import { openHint } from './hint.js';
import { connectTabs } from './tabs.js';
import type { AuthEvent, TokenStore, User } from './types.js';

const REFRESH_TOKEN = 'gatehouse.refresh_token';
const KNOWN_DEVICE = 'gatehouse.known_device';

/** A replace that is refused as well is no reason for the next one: that would be a loop. */
const REPLACE_EVERY_MS = 5_000;
const CONFIRM_AFTER_MS = 1_000;
const SHORTEST_WAIT_MS = 250;
const LONGEST_PAUSE_S = 20;
const SIGNALS = ['online', 'visibilitychange'];

/** What tabs tell each other. A token on its way between them is never written anywhere. */
type Message = { answer: TokenResponse; sentAt: number } | { reason: string; sid: string | undefined };

/** Tokens; or nothing yet, when the address must be verified first; or the way to the second step. */
type EnterAnswer = TokenResponse & { mfa_token: string | undefined };

/**
 * Holds the access token and knows who is signed in: the one place where either changes.
 *
 * @param tabsName what the tabs that share the cookie have in common
 */
export function createKeeper(call: Call, tokenStore: TokenStore | undefined, tabsName: string | false | undefined) {
  const hint = openHint(!tokenStore);
  const tabs = connectTabs<Message>(tabsName, receive);
  const listeners = new Set<(event: AuthEvent) => void>();

  /** `null`: nobody is signed in; `undefined`: not known yet. */
  let held: HeldTokens | null | undefined;
  let refreshing: Promise<void> | undefined;
  let replacedAt = -REPLACE_EVERY_MS;
  /** A logout of which Gatehouse does not know yet: access and refresh token. */
  let unsaid: [string | undefined, string | null | undefined] | undefined;
  let failures = 0;
  let lastFailure: unknown;
  let pausedUntil = 0;
  let closed = false;
  let wakeTimer: Timer;
  let confirmTimer: Timer;

  for (const signal of SIGNALS) globalThis.addEventListener?.(signal, wake);
  const ready: Promise<void> = start().catch(ignore);

  async function start(): Promise<void> {
    const kept = tokenStore ? await tokenStore.getItem(REFRESH_TOKEN) : hint.read();
    if (held !== undefined) return;
    if (!kept) held = null;
    else await refresh();
  }

  /** Takes in what a sign-in or a refresh answered. */
  async function hold(answer: TokenResponse): Promise<void> {
    const { refresh_token, known_device, ...shared } = answer;
    // Before the access token is ever used: its use tells Gatehouse that the refresh token before is done with.
    if (refresh_token) await tokenStore?.setItem(REFRESH_TOKEN, refresh_token);
    if (known_device) await tokenStore?.setItem(KNOWN_DEVICE, known_device);
    take(shared, 0);
    hint.write('kept');
    tabs.tell({ answer: shared, sentAt: Date.now() });
    confirmIn(CONFIRM_AFTER_MS);
  }

  function take(answer: TokenResponse, ageMs: number): void {
    const type = held?.session.id === answer.session.id ? 'refreshed' : 'signed_in';
    held = holdTokens(answer, ageMs);
    unsaid = undefined;
    failures = pausedUntil = 0;
    wakeIn(held.dueIn());
    emit({ type, user: held.user });
  }

  /** @param told whether another tab said so, and saw to the rest */
  function signOut(reason: string, told = false): void {
    const before = held;
    held = null;
    clearTimeout(wakeTimer);
    clearTimeout(confirmTimer);
    if (!told) {
      hint.write(unsaid ? 'ending' : null);
      tabs.tell({ reason, sid: before?.session.id });
    }
    if (before !== null) emit({ type: 'signed_out', reason });
  }

  function receive(message: Message): void {
    if ('answer' in message) take(message.answer, Math.max(0, Date.now() - message.sentAt));
    else if (held === null) return;
    else if (!held || message.sid === held.session.id) signOut(message.reason, true);
    // A tab that did not know its session yet: Gatehouse knows whether it was this one.
    else if (!message.sid) refresh().catch(ignore);
  }

  /** One at a time; whoever asks meanwhile gets the same answer. A failure to ask says nothing about the session. */
  async function refresh(): Promise<User | null> {
    const before = held;
    const ending = isEnding();
    refreshing ??= tabs
      .exclusively(async () => {
        // While this tab waited, another one refreshed, or somebody signed in or out.
        if (held !== before) return;
        if (isEnding()) {
          signOut('logout', true);
          return sayLogout();
        }
        // Another tab has said it.
        if (ending) return;
        try {
          const body = bodyOf(await tokenStore?.getItem(REFRESH_TOKEN));
          const answer = await call<TokenResponse>('POST', '/v1/auth/refresh', null, body);
          // Who signed out meanwhile stays out.
          if (held || held === before) await hold(answer);
        } catch (error) {
          const reason = reasonOfSignOut(error);
          if (!reason) throw pause(error);
          if (held !== before) return;
          await tokenStore?.removeItem(REFRESH_TOKEN);
          signOut(reason);
        }
      })
      .finally(() => {
        refreshing = undefined;
      });
    await refreshing;
    return held?.user ?? null;
  }

  /** Whether a session was left, here or in another tab, and Gatehouse does not know yet. */
  function isEnding(): boolean {
    return hint.read() === 'ending';
  }

  /** As `refresh`, unless the last attempt failed a moment ago. */
  function refreshUnlessPaused(): Promise<User | null> {
    return performance.now() < pausedUntil ? Promise.reject(lastFailure) : refresh();
  }

  async function getAccessToken(): Promise<string | null> {
    if (held !== null && !isCurrent()) {
      await refreshUnlessPaused().catch((error) => {
        if (!(held && held.left() > 0)) throw error;
      });
    }
    return held?.access_token ?? null;
  }

  function isCurrent(): boolean {
    return !!held && held.dueIn() > 0;
  }

  /** Another token than the one that was refused; `null` when there is none, or when that would not help. */
  async function replace(refused: string): Promise<string | null> {
    if (held?.access_token === refused) {
      if (performance.now() - replacedAt < REPLACE_EVERY_MS) return null;
      await refreshUnlessPaused();
      replacedAt = performance.now();
    }
    return held?.access_token ?? null;
  }

  /** What a sign-in says besides, where there are no cookies. */
  async function transport(): Promise<{ transport?: 'body'; known_device?: string | undefined }> {
    if (!tokenStore) return {};
    return { transport: 'body', known_device: (await tokenStore.getItem(KNOWN_DEVICE)) ?? undefined };
  }

  /** Signs in, or changes the sign-in, by a call that may answer with tokens. */
  function enter(path: string, body: object, bearer?: string | null): Promise<EnterAnswer> {
    return tabs.exclusively(async () => {
      if (isEnding()) await sayLogout().catch(ignore);
      const answer = await call<EnterAnswer>('POST', path, bearer, body);
      if (answer.access_token) await hold(answer);
      return answer;
    });
  }

  async function logout(): Promise<void> {
    unsaid = [held?.access_token, await tokenStore?.getItem(REFRESH_TOKEN)];
    await tokenStore?.removeItem(REFRESH_TOKEN);
    signOut('logout');
    await tabs.exclusively(sayLogout);
  }

  /** Only ever run exclusively. Until Gatehouse has heard it, `wake` tries again. */
  async function sayLogout(): Promise<void> {
    const [bearer, refreshToken] = unsaid ?? [];
    await call('POST', '/v1/auth/logout', bearer, bodyOf(refreshToken)).catch((error) => {
      throw pause(error);
    });
    unsaid = undefined;
    hint.write(null);
  }

  /** When a tab is seen, a network is back, or it is time: does what has become due. A hidden tab waits to be needed. */
  function wake(event?: Event): void {
    if (closed || globalThis.document?.hidden) return;
    if (event?.type !== 'visibilitychange') pausedUntil = 0;
    if (held === null ? hint.read() : !isCurrent() || hint.read() !== 'kept') refreshUnlessPaused().catch(ignore);
    else if (held) wakeIn(held.dueIn());
  }

  function wakeIn(ms: number): void {
    clearTimeout(wakeTimer);
    wakeTimer = later(wake, Math.max(SHORTEST_WAIT_MS, ms));
  }

  /** Longer after each failure, as long as the server asks for at least, and never all clients at once. */
  function pause(error: unknown): unknown {
    const seconds = Math.max((error as GatehouseError).retryAfter || 0, Math.min(LONGEST_PAUSE_S, 2 ** failures++ / 2));
    const ms = seconds * 1_000 * (1 + Math.random() / 2);
    lastFailure = error;
    pausedUntil = performance.now() + ms;
    wakeIn(ms);
    return error;
  }

  /** Lets Gatehouse see the token, if the app does not: that ends the life of the refresh token before. */
  function confirmIn(ms: number): void {
    const bearer = held?.access_token;
    clearTimeout(confirmTimer);
    confirmTimer = later(() => {
      call('GET', '/v1/me', bearer).catch(() => {
        if (held?.access_token === bearer) confirmIn(ms * 4);
      });
    }, ms);
  }

  function accept(): void {
    clearTimeout(confirmTimer);
  }

  /** A listener's own errors are its own. */
  function emit(event: AuthEvent): void {
    for (const listener of listeners) queueMicrotask(() => listener(event));
  }

  /** What a client shows of it as it is. */
  const shown = {
    ready,
    get user() {
      return held ? held.user : held;
    },
    get session() {
      return held ? held.session : held;
    },
    refresh,
    getAccessToken,
    logout,
    subscribe(listener: (event: AuthEvent) => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close(): void {
      closed = true;
      for (const signal of SIGNALS) globalThis.removeEventListener?.(signal, wake);
      clearTimeout(wakeTimer);
      clearTimeout(confirmTimer);
      tabs.close();
    },
  };
  return { shown, enter, transport, tokens: { getAccessToken, replace, accept } };
}

function bodyOf(refreshToken: string | null | undefined) {
  return refreshToken ? { refresh_token: refreshToken } : null;
}

type Timer = ReturnType<typeof setTimeout> | undefined;

/** Keeps no Node process alive. */
function later(work: () => void, ms: number): Timer {
  const timer = setTimeout(work, ms);
  (timer as { unref?: () => void }).unref?.();
  return timer;
}

/** For what nobody waits for: `pause` has seen to it. */
function ignore(): void {}
