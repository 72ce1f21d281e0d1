import type { World } from './parameters.js';
import type { Random } from './random.js';

/** How one refresh of the honest client goes. The server commits in every case: what never reached it harms nobody. */
export const ARRIVES = 0;
export const LOST = 1;
export const KILLED_BEFORE_USE = 2;
export const KILLED_AFTER_USE = 3;
/** A second tab presents the token that the last refresh before it presented. */
export const SECOND_TAB = 4;

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MOST_EVENTS = 8_192;

/** What happens to one session, whatever the server's policy. Times are milliseconds since the person signed in. */
export type Story = {
  events: number;
  at: Float64Array;
  kind: Uint8Array;
  endsAt: number;
  hasThief: boolean;
  stolenAt: number;
  thiefBeginsAt: number;
  /** Time between the refreshes of the thief; infinite for one who comes only once. */
  thiefInterval: number;
};

/** A story to be written over and over again, so that a million sessions make no garbage. */
export function emptyStory(): Story {
  return {
    events: 0,
    at: new Float64Array(MOST_EVENTS),
    kind: new Uint8Array(MOST_EVENTS),
    endsAt: 0,
    hasThief: false,
    stolenAt: 0,
    thiefBeginsAt: 0,
    thiefInterval: 0,
  };
}

/** Draws one session's life: visits, lost answers, kills, tabs, offline days and perhaps a thief. */
export function drawStory(story: Story, world: World, random: Random): void {
  story.events = 0;
  story.endsAt = world.days * DAY;
  story.hasThief = random.next() < world.thiefShare;
  drawRefreshes(story, world, random);
  if (story.hasThief) drawThief(story, world, random);
}

function drawRefreshes(story: Story, world: World, random: Random): void {
  const isApp = random.next() < world.appShare;
  const lossRate = isApp ? world.appLossRate : world.browserLossRate;
  const killRate = isApp ? world.appKillRate : world.browserKillRate;
  const isTabbed = random.next() < world.tabbedShare && !isApp;
  const lastsUntil = random.next() < world.abandonedShare ? random.between(0, story.endsAt) : story.endsAt;

  let visitEndsAt = random.exponential(world.visitSeconds * SECOND);
  // The first visit begins with signing in, which gives an access token.
  let now = world.accessSeconds * SECOND;
  for (;;) {
    if (now > visitEndsAt) {
      now = Math.max(now, visitEndsAt + drawGap(world, random));
      visitEndsAt = now + random.exponential(world.visitSeconds * SECOND);
    }
    if (now >= lastsUntil) return;

    const fate = random.next();
    const isKilled = fate >= lossRate && fate < lossRate + killRate + world.killAfterUseRate;
    if (isTabbed && !isKilled && random.next() < world.tabRate) {
      add(story, now + drawTabDelay(world, random), SECOND_TAB);
    }
    if (fate < lossRate) {
      add(story, now, LOST);
      const delay = drawRetryDelay(world, random);
      now += delay;
      // Who comes back after an hour has begun a new visit.
      visitEndsAt = delay > HOUR ? now + random.exponential(world.visitSeconds * SECOND) : Math.max(visitEndsAt, now);
    } else if (isKilled) {
      add(story, now, fate < lossRate + killRate ? KILLED_BEFORE_USE : KILLED_AFTER_USE);
      now += drawRestartDelay(world, random);
      visitEndsAt = now + random.exponential(world.visitSeconds * SECOND);
    } else {
      add(story, now, ARRIVES);
      now += world.accessSeconds * SECOND;
    }
  }
}

function drawGap(world: World, random: Random): number {
  const kind = random.next();
  if (kind < world.sameDayShare) return random.between(0.5 * HOUR, 6 * HOUR);
  if (kind < world.sameDayShare + world.nextDayShare) return random.between(8 * HOUR, 30 * HOUR);
  return Math.min(13 * DAY, DAY + random.exponential((world.offlineDays - 1) * DAY));
}

function drawRetryDelay(world: World, random: Random): number {
  const kind = random.next();
  if (kind < world.retryAtOnceShare) return random.between(SECOND, 10 * SECOND);
  if (kind < world.retryAtOnceShare + world.retryAfterTimeoutShare) return random.between(10 * SECOND, 90 * SECOND);
  if (kind < world.retryAtOnceShare + world.retryAfterTimeoutShare + world.retryLaterShare) {
    return random.logBetween(90 * SECOND, HOUR);
  }
  return drawGap(world, random);
}

function drawRestartDelay(world: World, random: Random): number {
  const kind = random.next();
  if (kind < world.restartSoonShare) return random.logBetween(MINUTE, HOUR);
  if (kind < world.restartSoonShare + world.restartSameDayShare) return random.between(HOUR, DAY);
  return random.between(DAY, 7 * DAY);
}

function drawTabDelay(world: World, random: Random): number {
  if (random.next() < world.slowTabShare) return random.between(SECOND, 45 * SECOND);
  return random.exponential(world.tabDelaySeconds * SECOND);
}

function drawThief(story: Story, world: World, random: Random): void {
  const any = random.between(0, 20 * DAY);
  const pick = Math.floor(random.next() * story.events);
  const refreshedAt = story.events > 0 ? (story.at[pick] ?? 0) : 0;
  const inUse = Math.min(refreshedAt + random.between(0, 10 * MINUTE), 20 * DAY);
  story.stolenAt = random.next() < world.theftInUseShare ? inUse : any;
  const isAtOnce = random.next() < world.thiefAtOnceShare;
  const delay = isAtOnce ? random.logBetween(SECOND, 600 * SECOND) : random.logBetween(10 * MINUTE, 7 * DAY);
  story.thiefBeginsAt = story.stolenAt + delay;
  const interval = random.logBetween(10 * MINUTE, world.thiefIntervalSeconds * SECOND);
  story.thiefInterval = random.next() < world.thiefOnceShare ? Number.POSITIVE_INFINITY : interval;
}

/** Adds an event in its place: the list is nearly in order, for only second tabs come early. */
function add(story: Story, at: number, kind: number): void {
  let place = story.events;
  if (place >= MOST_EVENTS) throw new Error('The story of a session is too long.');
  while (place > 0 && (story.at[place - 1] ?? 0) > at) {
    story.at[place] = story.at[place - 1] ?? 0;
    story.kind[place] = story.kind[place - 1] ?? 0;
    place -= 1;
  }
  story.at[place] = at;
  story.kind[place] = kind;
  story.events += 1;
}
