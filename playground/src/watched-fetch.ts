import { describeAnswer, describeRequest, generationIn } from './describe.js';
import type { Diagram } from './diagram.js';
import { type Tricks, tamperWithAnswer, tamperWithRequest } from './tricks.js';

/** What the page asks for its own panels: one short line, unless something is wrong. */
const IN_PASSING = /^GET \/v1\/(sessions|me\/events|me\/second-factor)\b/;

export type Watch = {
  /** @param speaker who asks, where it is not simply this page */
  fetchAs(speaker?: string): typeof fetch;
  /** Which refresh token is in the cookie now, where this page did not see it come (another tab did). */
  noteGeneration(generation: number): void;
  /** How many requests had no answer so far. */
  unanswered(): number;
};

/** Makes `fetch`es that draw what goes over the wire, and change it where a trick says so. */
export function createWatch(diagram: Diagram, tricks: Tricks, onExchange: () => void): Watch {
  let inCookie: number | null = null;
  let unanswered = 0;

  async function exchange(request: Request, speaker: string | undefined): Promise<Response> {
    tamperWithRequest(tricks, request);
    const startedAt = performance.now();
    const answering = fetch(request);
    // What is sent at the same moment goes first: drawing takes longer than a server that is near.
    await null;
    const { pathname } = new URL(request.url);
    const said = describeRequest(request, inCookie);
    const isPassing = IN_PASSING.test(said.label);
    const line = isPassing ? null : diagram.request(said, speaker);
    let response: Response;
    try {
      response = await answering;
    } catch (error) {
      unanswered += 1;
      const draw = line ?? diagram.request(said, speaker);
      if (performance.now() < tricks.offlineUntil) draw.neverArrives();
      else if (tricks.isAnswerLost && pathname === '/v1/auth/refresh') {
        tricks.isAnswerLost = false;
        diagram.lostAnswer(speaker);
      } else draw.goesUnanswered();
      throw error;
    }
    const body: unknown = await response
      .clone()
      .json()
      .catch(() => null);
    const answer = describeAnswer(response.status, body);
    if (isPassing && response.ok) diagram.passing(said, answer);
    else {
      if (!line) diagram.request(said, speaker);
      diagram.answer(answer, speaker, performance.now() - startedAt);
    }
    inCookie = generationIn(body) ?? inCookie;
    if (pathname === '/v1/auth/logout' && response.ok) inCookie = null;
    return tamperWithAnswer(tricks, response, body);
  }

  return {
    fetchAs: (speaker) => async (input, init) => {
      const request = input instanceof Request && !init ? input : new Request(input, init);
      // How the page looks behind the scenes is no part of the play.
      return /^\/(dev|playground)\//.test(new URL(request.url).pathname)
        ? fetch(request)
        : exchange(request, speaker).finally(onExchange);
    },
    noteGeneration(generation) {
      inCookie = generation;
    },
    unanswered: () => unanswered,
  };
}
