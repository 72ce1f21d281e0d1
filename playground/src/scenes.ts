import type { AuthEvent, Client } from '../../client/src/index.js';
import { decode } from './access-token.js';
import { describeAnswer, generationIn } from './describe.js';
import type { Diagram } from './diagram.js';
import type { Generations } from './generation.js';
import type { Tricks } from './tricks.js';
import type { Watch } from './watched-fetch.js';

const OFFLINE_SECONDS = 10;
/** Over before the server is back. */
const SHORT_LIFE_SECONDS = 2;
const PATIENCE_MS = 30_000;
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

/** What came of it is what each of these returns, in a sentence. */
export async function loseNextAnswer(stage: Stage): Promise<string> {
  const { client, tricks, generations, tell } = stage;
  await makeTokenRunOut(stage);
  const before = generations.page();
  await command('/dev/faults/lose-next-answer');
  tricks.isAnswerLost = true;
  tell('Your token is about to run out. The client will ask for the next one…');
  await nextEvent(client, 'refreshed', PATIENCE_MS);
  tricks.isAnswerLost = false;
  await generations.look();
  const [page, server] = [generations.page(), generations.server()];
  return page === before + 1 && server === page
    ? `Asked twice, rotated once: page and server are both at generation ${page}, and you are still signed in.`
    : `The page went from generation ${before} to ${page}, the server to ${server}.`;
}

export async function refreshFromFiveTabs(stage: Stage): Promise<string> {
  let answers = await askFromAllTabs(stage.watch);
  // On a busy machine a request may leave only after the first answer has come, with the new cookie. That is no race.
  for (let again = 0; again < 3 && answers.length > 1; again += 1) {
    stage.tell('The last tabs were late, and had the new cookie already. Once more…');
    answers = await askFromAllTabs(stage.watch);
  }
  stage.tell('Now the client of this page…');
  await refresh(stage);
  return answers.length === 1
    ? `Five questions, one rotation: all five were answered with generation ${answers[0]}. The client then made it ${stage.generations.page()}.`
    : `Five questions, answered with generations ${answers.join(', ')}: the last tabs were late, and had the new cookie already.`;
}

/** Past the client's own lock, as browsers without it would. @returns the different generations that were answered */
async function askFromAllTabs(watch: Watch): Promise<number[]> {
  const questions = TABS.map((tab) => ({
    send: watch.fetchAs(`Tab ${tab}`),
    request: new Request('/v1/auth/refresh', { method: 'POST' }),
  }));
  const responses = await Promise.all(questions.map(({ send, request }) => send(request)));
  const bodies = await Promise.all(responses.map((response) => response.json()));
  return [...new Set(bodies.map(generationIn))].filter((generation) => generation !== null);
}

export async function replayAsThief(stage: Stage): Promise<string> {
  const { client, diagram, generations, tell } = stage;
  tell('A few refreshes first, so that there is an old token to steal…');
  while (generations.page() < 3) await refresh(stage);
  // Used at once, or the client would do so in the middle of the scene, to confirm it.
  await client.fetch('/v1/me');
  const generation = generations.page() - 2;
  const isOut = nextEvent(client, 'signed_out', PATIENCE_MS);
  const carries = `a copy of refresh token ${generation}`;
  diagram.request({ label: 'POST /v1/auth/refresh', carries, isBad: true }, undefined, 'thief');
  const response = await client.fetch('/dev/faults/replay', jsonRequest({ generation }));
  if (!response.ok) return `The thief could not be played (${response.status}).`;
  const { status, body } = await response.json();
  diagram.answer(describeAnswer(status, body), undefined, undefined, 'thief');
  tell('Now you make a request, and know nothing of it…');
  await sleep(PAUSE_MS);
  await client.fetch('/v1/me');
  // A client that has replaced a token only seconds ago leaves it at that refusal, so as not to run in circles.
  if (client.user) await client.refresh();
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

export async function goOffline(stage: Stage): Promise<string> {
  const { client, tricks, watch, tell } = stage;
  await makeTokenRunOut(stage);
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
  const event = await nextEvent(client, undefined, PATIENCE_MS);
  clearInterval(timer);
  if (event?.type === 'refreshed') return `Healed by itself after ${count()}, and you were signed in all along.`;
  return event ? 'You were signed out.' : 'The client has not come back yet.';
}

export async function signOutEverywhere({ client }: Stage): Promise<string> {
  const isOut = nextEvent(client, 'signed_out', PATIENCE_MS);
  await client.sessions.endAll();
  const out = await isOut;
  return out?.type === 'signed_out'
    ? `All sessions are over, and the client was told why: ${out.reason}.`
    : 'All sessions are over.';
}

/** Once more, and what is told afterwards knows of it. */
async function refresh({ client, generations }: Stage): Promise<void> {
  await client.refresh();
  generations.holds(decode(await client.getAccessToken())?.claims ?? null);
}

/** So that the client acts by itself, as it would when the token of its last refresh comes of age. */
async function makeTokenRunOut(stage: Stage): Promise<void> {
  stage.tricks.shortLifeSeconds = SHORT_LIFE_SECONDS;
  await refresh(stage);
  stage.diagram.note(`this page lets the client believe: good for ${SHORT_LIFE_SECONDS} seconds`);
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
