import { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { type Answer, ask, logOut, me, percentile, refresh } from './ask.js';
import { freshPerson, register } from './people.js';
import type { Stage } from './stage.js';

export type Kind = 'register' | 'me' | 'refresh' | 'logout';

export type LoadAnswer = Answer & { kind: Kind; url: string };

export type LoadOptions = {
  clients: number;
  /** Between two requests of one client. */
  pauseMs: number;
  /** Every so many rounds a client signs out, and somebody else comes. */
  roundsPerSession?: number;
};

export type Load = {
  /** All answers so far. */
  answers: LoadAnswer[];
  /** Waits for what is under way. @returns what was not right: see `faultsOf` */
  stop: () => Promise<string[]>;
};

/** What an app waits before it tries again; less than `Retry-After`, so that a fault is met more often. */
const RETRY_MS = 100;

/**
 * Honest people: each registers, then asks and refreshes by turns, keeps every new token, and comes back with the same
 * token at another instance when an answer was lost or said "later".
 */
export async function startLoad(stage: Stage, urls: string[], options: LoadOptions): Promise<Load> {
  const { clients, pauseMs, roundsPerSession = 25 } = options;
  const answers: LoadAnswer[] = [];
  const agent = new Agent({ keepAlive: true });
  let stopping = false;

  async function told(kind: Kind, url: string, answer: Promise<Answer>): Promise<LoadAnswer> {
    const heard = { ...stage.witness.heard(await answer), kind, url };
    answers.push(heard);
    return heard;
  }

  async function client(number: number): Promise<void> {
    let turn = number;
    const here = () => urls[turn % urls.length] ?? '';

    /** Tries until somebody decided; null when the load was stopped before. */
    async function decided(kind: Kind, send: (url: string) => Promise<Answer>): Promise<LoadAnswer | null> {
      while (!stopping) {
        const url = here();
        const answer = await told(kind, url, send(url));
        if (answer.status !== 0 && answer.status < 500) return answer;
        turn += 1;
        await pause(RETRY_MS);
      }
      return null;
    }

    while (!stopping) {
      // A new address for each attempt: whether an answer that was lost has registered them matters to nobody.
      const signedUp = await decided('register', (url) => register(url, freshPerson(), agent));
      let { accessToken, refreshToken } = signedUp ?? {};
      for (let round = 0; round < roundsPerSession && accessToken && refreshToken && !stopping; round += 1) {
        const token = accessToken;
        await decided('me', (url) => me(url, token, agent));
        await pause(pauseMs);
        const held = refreshToken;
        const refreshed = await decided('refresh', (url) => refresh(url, held, agent));
        accessToken = refreshed?.accessToken;
        refreshToken = refreshed?.refreshToken;
        turn += 1;
        await pause(pauseMs);
      }
      if (stopping || refreshToken === undefined || signedUp?.sessionId === undefined) continue;
      const held = refreshToken;
      stage.witness.mayEnd(signedUp.sessionId, 'logout');
      const gone = await decided('logout', (url) => logOut(url, held, agent));
      if (gone?.status === 204) stage.witness.hasEnded(signedUp.sessionId);
    }
  }

  const working = Array.from({ length: clients }, (_, number) => client(number));
  return {
    answers,
    async stop() {
      stopping = true;
      await Promise.all(working);
      agent.destroy();
      return faultsOf(answers);
    },
  };
}

const RIGHT: Record<Kind, number> = { register: 201, me: 200, refresh: 200, logout: 204 };

/**
 * What no fault excuses: an answer that is neither the right one nor "later" (503 with Retry-After) nor lost. A 401 is a
 * person signed out.
 */
export function faultsOf(answers: readonly LoadAnswer[]): string[] {
  const wrong = new Map<string, number>();
  for (const { kind, status, code, headers } of answers) {
    if (status === 0 || status === RIGHT[kind]) continue;
    if (status === 503 && Number(headers['retry-after']) > 0) continue;
    const what = status === 503 ? '503 without Retry-After' : `${status} ${code ?? ''}`;
    wrong.set(`${kind} was answered ${what}`, (wrong.get(`${kind} was answered ${what}`) ?? 0) + 1);
  }
  return [...wrong].map(([what, count]) => `${what}, ${count} times`);
}

/** How many there were of each status, as text. */
export function countStatuses(answers: readonly { status: number }[]): string {
  const counts = new Map<number, number>();
  for (const { status } of answers) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [...counts]
    .sort(([a], [b]) => a - b)
    .map(([status, count]) => `${count} × ${status === 0 ? 'lost' : status}`)
    .join(', ');
}

/** What `/livez` is held to, milliseconds at the 99th percentile: as wanted; and where clients share the cores. */
const ALIVE_MS = 100;
const SHARED_ALIVE_MS = 400;

/** Asks again and again whether the process is alive, until told to stop. @returns the p99, and what was not right */
export function watchLiveness(url: string, isShort: boolean): () => Promise<{ p99: number; faults: string[] }> {
  const answers: Answer[] = [];
  let stopping = false;
  const watching = (async () => {
    while (!stopping) {
      answers.push(await ask(url, { path: '/livez' }));
      await pause(20);
    }
  })();
  return async () => {
    stopping = true;
    await watching;
    const p99 = percentile(
      answers.map(({ milliseconds }) => milliseconds),
      0.99,
    );
    const bound = isShort ? SHARED_ALIVE_MS : ALIVE_MS;
    const dead = answers.filter(({ status }) => status !== 200).length;
    return {
      p99,
      faults: [
        ...(dead > 0 ? [`/livez failed ${dead} times`] : []),
        ...(p99 < bound ? [] : [`/livez took ${p99.toFixed(0)} ms (bound: ${bound} ms)`]),
      ],
    };
  };
}
