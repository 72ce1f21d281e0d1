import type { AuthEvent, Client } from '../../client/src/index.js';
import { decode } from './access-token.js';
import { describeAnswer, generationIn } from './describe.js';
import type { Diagram } from './diagram.js';
import type { Generations } from './generation.js';
import type { Tricks } from './tricks.js';
import type { Watch } from './watched-fetch.js';

const OFFLINE_SECONDS = 10;
/** Long enough for one request and its answer, and over before the server is back. */
const SHORT_LIFE_SECONDS = 3;
const TABS = [1, 2, 3, 4, 5];
const PAUSE_MS = 700;

export type Stage = {
  client: Client;
  watch: Watch;
  diagram: Diagram;
  tricks: Tricks;
  generations: Generations;
  /** What is going on right now, in a few words. */
  tell(text: string): void;
};

/** The next refresh is carried out and its answer lost. @returns what came of it, as all of them do */
export async function loseNextAnswer({ client, tricks, generations, tell }: Stage): Promise<string> {
  const before = generations.page();
  tricks.isAnswerLost = true;
  await command('/dev/faults/lose-next-answer');
  const isRefreshed = nextEvent(client, 'refreshed', 3_000);
  await client.refresh().catch(() => tell('The answer is lost. The client asks again…'));
  // The client asks again by itself only when it needs to; if this token would do for a while, the page asks.
  if (!(await isRefreshed)) await client.refresh();
  tricks.isAnswerLost = false;
  await generations.look();
  const [page, server] = [generations.page(), generations.server()];
  return page === before + 1 && server === page
    ? `Asked twice, rotated once: page and server are both at generation ${page}, and you are still signed in.`
    : `The page went from generation ${before} to ${page}, the server to ${server}.`;
}

/** Past the client's own lock, as browsers without it would. */
export async function refreshFromFiveTabs({ client, watch, generations, tell }: Stage): Promise<string> {
  const before = generations.page();
  const answers = await Promise.all(
    TABS.map(async (tab) => {
      const response = await watch.fetchAs(`Tab ${tab}`)('/v1/auth/refresh', { method: 'POST' });
      return generationIn(await response.json());
    }),
  );
  const different = [...new Set(answers)];
  tell('Now the client of this page…');
  await client.refresh();
  return different.length === 1 && different[0] === before + 1
    ? `Five questions, one rotation: all five were answered with generation ${different[0]}. The client then made it ${generations.page()}.`
    : `Five questions, answered with generations ${different.join(', ')}.`;
}

export async function replayAsThief({ client, diagram, generations, tell }: Stage): Promise<string> {
  tell('A few refreshes first, so that there is an old token to steal…');
  while (generations.page() < 3) {
    await client.refresh();
    generations.holds(decode(await client.getAccessToken())?.claims ?? null);
  }
  const generation = generations.page() - 2;
  const isOut = nextEvent(client, 'signed_out', 10_000);
  const carries = `a copy of refresh token ${generation}`;
  diagram.request({ label: 'POST /v1/auth/refresh', carries, isBad: true }, undefined, 'thief');
  const response = await client.fetch('/dev/faults/replay', jsonRequest({ generation }));
  if (!response.ok) return `The thief could not be played (${response.status}).`;
  const { status, body } = await response.json();
  diagram.answer(describeAnswer(status, body), undefined, undefined, 'thief');
  tell('Now you make a request, and know nothing of it…');
  await sleep(PAUSE_MS);
  await client.fetch('/v1/me');
  const out = await isOut;
  return out?.type === 'signed_out'
    ? `The thief got ${status} ${body.code}, and you were signed out: ${out.reason}. Sign in again and look at the events.`
    : `The thief got ${status}; you are still signed in.`;
}

export async function letTokenExpire({ client, tricks }: Stage): Promise<string> {
  const made = await client.fetch('/dev/faults/expired-token', { method: 'POST' });
  if (!made.ok) return `No expired token could be made (${made.status}).`;
  tricks.expiredToken = (await made.json()).access_token;
  const response = await client.fetch('/v1/me');
  tricks.expiredToken = null;
  return response.ok
    ? 'Refused, refreshed, repeated: the app asked once, and all it saw is 200.'
    : `The app saw ${response.status}: the client replaced a token seconds ago and does not do so again so soon, which is why it can never run in circles. Try again in five seconds.`;
}

export async function goOffline({ client, tricks, watch, tell }: Stage): Promise<string> {
  tricks.shortLifeSeconds = SHORT_LIFE_SECONDS;
  await client.refresh();
  await command('/dev/faults/offline', { seconds: OFFLINE_SECONDS });
  const until = performance.now() + OFFLINE_SECONDS * 1000;
  const failedBefore = watch.unanswered();
  tricks.offlineUntil = until;
  const count = () => {
    const attempts = watch.unanswered() - failedBefore;
    const failed = `${attempts} ${attempts === 1 ? 'request' : 'requests'} without an answer`;
    const seconds = Math.ceil((until - performance.now()) / 1000);
    tell(seconds > 0 ? `Offline for ${seconds} more seconds; ${failed}.` : `The server is back; ${failed}. Waiting…`);
    return failed;
  };
  count();
  const timer = setInterval(count, 1000);
  const event = await nextEvent(client, undefined, 60_000);
  clearInterval(timer);
  if (event?.type === 'refreshed') return `Healed by itself after ${count()}, and you were signed in all along.`;
  return event ? 'You were signed out.' : 'The client has not come back yet.';
}

export async function signOutEverywhere({ client }: Stage): Promise<string> {
  const isOut = nextEvent(client, 'signed_out', 10_000);
  await client.sessions.endAll();
  const out = await isOut;
  return out?.type === 'signed_out'
    ? `All sessions are over, and the client was told why: ${out.reason}.`
    : 'All sessions are over.';
}

/** @param type any, unless given @returns null when none came in time */
function nextEvent(client: Client, type: AuthEvent['type'] | undefined, ms: number): Promise<AuthEvent | null> {
  return new Promise((resolve) => {
    const timer = setTimeout(settle, ms, null);
    const unsubscribe = client.subscribe((event) => {
      if (type === undefined || event.type === type) settle(event);
    });
    function settle(event: AuthEvent | null): void {
      clearTimeout(timer);
      unsubscribe();
      resolve(event);
    }
  });
}

async function command(path: string, body?: object): Promise<void> {
  const response = await fetch(path, body ? jsonRequest(body) : { method: 'POST' });
  if (!response.ok) throw new Error(`The server would not play that (${response.status}).`);
}

function jsonRequest(body: object): RequestInit {
  return { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
