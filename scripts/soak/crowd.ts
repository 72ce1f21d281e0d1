import { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { type Answer, me, refresh } from '../faults/ask.js';
import type { Stage } from '../faults/stage.js';

type Person = { refreshToken: string; accessToken: string | undefined; isBusy: boolean };

export type Crowd = {
  /** Asks as fast as so many at a time can. @returns requests a second that were answered well */
  rush: (atOnce: number, seconds: number) => Promise<number>;
  /** Asks so often a second until the time is over, whether earlier ones are answered or not. */
  walk: (perSecond: number, seconds: number) => Promise<void>;
  counts: { right: number; later: number; lost: number; signedOut: string[]; wrong: string[] };
};

/** Every third request is a refresh: far more than in real life, where a refresh comes once in ten minutes. */
const REFRESH_SHARE = 1 / 3;
const RETRY_MS = 200;
const TRIES = 200;
const MAX_IN_FLIGHT = 1_000;
const TICK_MS = 10;

/** People who stay signed in: each asks and refreshes now and then, and comes back with the same token until answered. */
export function createCrowd(stage: Stage, refreshTokens: string[], urls: () => string[]): Crowd {
  const people: Person[] = refreshTokens.map((refreshToken) => ({
    refreshToken,
    accessToken: undefined,
    isBusy: false,
  }));
  const agent = new Agent({ keepAlive: true, maxSockets: 200 });
  const counts: Crowd['counts'] = { right: 0, later: 0, lost: 0, signedOut: [], wrong: [] };
  let inFlight = 0;

  const anyUrl = () => {
    const all = urls();
    return all[Math.floor(Math.random() * all.length)] ?? '';
  };

  function idlePerson(): Person | undefined {
    for (let tries = 0; tries < 10; tries += 1) {
      const person = people[Math.floor(Math.random() * people.length)];
      if (person && !person.isBusy) return person;
    }
    return undefined;
  }

  async function act(): Promise<void> {
    const person = idlePerson();
    if (person === undefined || inFlight >= MAX_IN_FLIGHT) return;
    person.isBusy = true;
    inFlight += 1;
    try {
      const { accessToken } = person;
      if (accessToken !== undefined && Math.random() > REFRESH_SHARE) {
        const { code } = await decided((url) => me(url, accessToken, agent));
        // Its ten minutes are over: the next thing is a refresh.
        if (code === 'access_token_expired') person.accessToken = undefined;
        else if (code !== undefined) counts.signedOut.push(`me: ${code}`);
        return;
      }
      const answer = await decided((url) => refresh(url, person.refreshToken, agent));
      if (answer.status === 401) counts.signedOut.push(`refresh: ${answer.code}`);
      person.refreshToken = answer.refreshToken ?? person.refreshToken;
      person.accessToken = answer.accessToken;
    } finally {
      person.isBusy = false;
      inFlight -= 1;
    }
  }

  /** Asks until somebody decides: a lost answer and "later" are no decision. */
  async function decided(send: (url: string) => Promise<Answer>): Promise<Answer> {
    let answer = stage.witness.heard(await send(anyUrl()));
    for (let tries = 1; tries < TRIES && !isDecision(answer); tries += 1) {
      await pause(RETRY_MS);
      answer = stage.witness.heard(await send(anyUrl()));
    }
    return answer;
  }

  function isDecision({ status, headers, code }: Answer): boolean {
    if (status === 200) counts.right += 1;
    else if (status === 0) counts.lost += 1;
    else if (status === 503 && Number(headers['retry-after']) > 0) counts.later += 1;
    else if (status !== 401) counts.wrong.push(`${status} ${code ?? ''}`);
    return status === 200 || status === 401;
  }

  return {
    counts,
    async rush(atOnce, seconds) {
      const startedAt = performance.now();
      const before = counts.right;
      const isOver = () => performance.now() - startedAt > seconds * 1000;
      await Promise.all(
        Array.from({ length: atOnce }, async () => {
          while (!isOver()) await act();
        }),
      );
      return ((counts.right - before) * 1000) / (performance.now() - startedAt);
    },
    async walk(perSecond, seconds) {
      const startedAt = performance.now();
      const acting = new Set<Promise<void>>();
      let due = 0;
      for (let elapsed = 0; elapsed < seconds * 1000; elapsed = performance.now() - startedAt) {
        // What a stall has put off is not made up for at once: that would be another load.
        const target = Math.min((elapsed * perSecond) / 1000, due + perSecond);
        for (; due < target; due += 1) {
          const one = act().finally(() => acting.delete(one));
          acting.add(one);
        }
        due = Math.max(due, (elapsed * perSecond) / 1000 - perSecond);
        await pause(TICK_MS);
      }
      await Promise.all(acting);
      agent.destroy();
    },
  };
}
