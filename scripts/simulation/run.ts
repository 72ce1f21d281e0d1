import type { World } from './parameters.js';
import { type NamedPolicy, NEVER } from './policies.js';
import { createRandom } from './random.js';
import { drawStory, emptyStory, KILLED_AFTER_USE, KILLED_BEFORE_USE, LOST, SECOND_TAB } from './story.js';
import { createReplay, emptyOutcome } from './world.js';

/** What one policy did to all sessions. */
export type Tally = {
  name: string;
  honestSessions: number;
  /** Honest sessions that ended though nobody had asked for it, and what the client had just been through. */
  signedOut: number;
  signedOutAfterLoss: number;
  signedOutAfterKill: number;
  signedOutAfterKillInUse: number;
  signedOutBySecondTab: number;
  thefts: number;
  thievesWhoGotIn: number;
  /** Thefts after which the session was still alive at the end. */
  thievesUnnoticed: number;
  /** Of these: the thief came only once. */
  unnoticedOnce: number;
  /** Of these: sessions in which the newest token was given out again after the theft. */
  unnoticedAfterRepeat: number;
  /** Of the thieves who got in and meant to stay: half were out after this time, in hours. */
  medianThiefHours: number;
};

export type SimulationOptions = { sessions: number; seed: number; world: World; policies: NamedPolicy[] };

/** Lives every session through under every policy, with the same events for all of them. */
export function simulate({ sessions, seed, world, policies }: SimulationOptions): Tally[] {
  const story = emptyStory();
  const outcome = emptyOutcome();
  const replay = createReplay();
  const tallies = policies.map(({ name, decide }) => ({ decide, tally: emptyTally(name), hours: [] as number[] }));

  for (let session = 0; session < sessions; session += 1) {
    drawStory(story, world, createRandom(seed, session));
    for (const { decide, tally, hours } of tallies) {
      replay(story, decide, outcome);
      if (!story.hasThief) {
        tally.honestSessions += 1;
        if (outcome.signedOutAt !== NEVER) countSignOut(tally, outcome.signedOutBy);
        continue;
      }
      tally.thefts += 1;
      if (outcome.thiefGotIn) {
        tally.thievesWhoGotIn += 1;
        const until = outcome.noticedAt === NEVER ? story.endsAt : outcome.noticedAt;
        if (story.thiefInterval !== Number.POSITIVE_INFINITY) hours.push((until - story.thiefBeginsAt) / 3_600_000);
      }
      if (outcome.noticedAt === NEVER) {
        tally.thievesUnnoticed += 1;
        if (story.thiefInterval === Number.POSITIVE_INFINITY) tally.unnoticedOnce += 1;
        if (outcome.wasRepeatedAfterTheft) tally.unnoticedAfterRepeat += 1;
      }
    }
  }
  return tallies.map(({ tally, hours }) => ({ ...tally, medianThiefHours: median(hours) }));
}

function countSignOut(tally: Tally, by: number): void {
  tally.signedOut += 1;
  if (by === LOST) tally.signedOutAfterLoss += 1;
  else if (by === KILLED_BEFORE_USE) tally.signedOutAfterKill += 1;
  else if (by === KILLED_AFTER_USE) tally.signedOutAfterKillInUse += 1;
  else if (by === SECOND_TAB) tally.signedOutBySecondTab += 1;
  else throw new Error('Somebody was signed out with nothing the matter.');
}

function emptyTally(name: string): Tally {
  return {
    name,
    honestSessions: 0,
    signedOut: 0,
    signedOutAfterLoss: 0,
    signedOutAfterKill: 0,
    signedOutAfterKillInUse: 0,
    signedOutBySecondTab: 0,
    thefts: 0,
    thievesWhoGotIn: 0,
    thievesUnnoticed: 0,
    unnoticedOnce: 0,
    unnoticedAfterRepeat: 0,
    medianThiefHours: 0,
  };
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
