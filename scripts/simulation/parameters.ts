/** One number of the simulated world: what it means, and where it comes from. */
export type Parameter = { value: number; unit: string; meaning: string; source: string };

const OWN_DEFAULT = "this service's default";
const ASSUMPTION = 'assumption';

/**
 * Every number of the simulated world. Where no public measurement was found, the source says *assumption*: such a
 * number is a guess in the right order of magnitude, the same for every policy.
 */
export const parameters = {
  days: { value: 30, unit: 'days', meaning: 'how long each session is watched', source: ASSUMPTION },
  accessSeconds: { value: 600, unit: 's', meaning: 'life of an access token', source: OWN_DEFAULT },
  graceSeconds: { value: 10, unit: 's', meaning: 'our grace window', source: OWN_DEFAULT },
  recoverySeconds: { value: 86_400, unit: 's', meaning: 'our recovery window', source: OWN_DEFAULT },

  visitSeconds: {
    value: 1_116,
    unit: 's',
    meaning: 'mean length of a visit (exponential)',
    source: 'Business of Apps, "App Sessions Data": 18.6 minutes worldwide in 2024',
  },
  sameDayShare: { value: 0.5, unit: 'of visits', meaning: 'next visit after 0.5–6 hours', source: ASSUMPTION },
  nextDayShare: {
    value: 0.4,
    unit: 'of visits',
    meaning: 'next visit after 8–30 hours; the rest is offline for longer',
    source: ASSUMPTION,
  },
  offlineDays: { value: 3, unit: 'days', meaning: 'mean offline time of the rest (1 to 13)', source: ASSUMPTION },
  abandonedShare: { value: 0.2, unit: 'of sessions', meaning: 'at some moment never used again', source: ASSUMPTION },

  appShare: { value: 0.5, unit: 'of sessions', meaning: 'native app; the rest are browsers', source: ASSUMPTION },
  appLossRate: {
    value: 0.003,
    unit: 'of refreshes',
    meaning: 'answer lost after the commit, app on a mobile network',
    source: ASSUMPTION,
  },
  browserLossRate: { value: 0.001, unit: 'of refreshes', meaning: 'the same, browser', source: ASSUMPTION },
  retryAtOnceShare: { value: 0.5, unit: 'of losses', meaning: 'tries again after 1–10 s', source: ASSUMPTION },
  retryAfterTimeoutShare: { value: 0.3, unit: 'of losses', meaning: 'tries again after 10–90 s', source: ASSUMPTION },
  retryLaterShare: {
    value: 0.15,
    unit: 'of losses',
    meaning: 'tries again after 1.5–60 minutes; the rest at the next visit',
    source: ASSUMPTION,
  },

  appKillRate: {
    value: 0.0005,
    unit: 'of refreshes',
    meaning: 'app killed after the commit, before the new token was stored or used',
    source: 'assumption; the median app crashes in 0.05 % of its runs (Instabug, Mobile App Stability Outlook 2024)',
  },
  browserKillRate: { value: 0.0001, unit: 'of refreshes', meaning: 'the same, browser', source: ASSUMPTION },
  killAfterUseRate: {
    value: 0.00002,
    unit: 'of refreshes',
    meaning: 'killed after the new access token was used, before the new refresh token was stored',
    source: ASSUMPTION,
  },
  restartSoonShare: { value: 0.5, unit: 'of kills', meaning: 'started again after 1–60 minutes', source: ASSUMPTION },
  restartSameDayShare: {
    value: 0.4,
    unit: 'of kills',
    meaning: 'started again after 1–24 hours; the rest after 1–7 days',
    source: ASSUMPTION,
  },

  tabbedShare: {
    value: 0.4,
    unit: 'of browsers',
    meaning: 'several tabs that do not agree on who refreshes',
    source:
      'assumption; people switch tabs in most browsing (Huang and White, "Parallel browsing behavior on the web")',
  },
  tabRate: { value: 0.05, unit: 'of refreshes', meaning: 'a second tab presents the same token', source: ASSUMPTION },
  tabDelaySeconds: { value: 0.8, unit: 's', meaning: 'mean delay of that tab (exponential)', source: ASSUMPTION },
  slowTabShare: { value: 0.003, unit: 'of second tabs', meaning: 'delayed by 1–45 s instead', source: ASSUMPTION },

  thiefShare: {
    value: 0.02,
    unit: 'of sessions',
    meaning: 'newest token copied once; chosen for enough cases, not as a rate of theft',
    source: ASSUMPTION,
  },
  theftInUseShare: {
    value: 0.5,
    unit: 'of thefts',
    meaning: 'copied within 10 minutes of a refresh; the rest at any moment of the first 20 days',
    source: ASSUMPTION,
  },
  thiefAtOnceShare: {
    value: 0.5,
    unit: 'of thefts',
    meaning: 'copy first used after 1–600 s; the rest after 10 minutes to 7 days',
    source: ASSUMPTION,
  },
  thiefOnceShare: {
    value: 0.3,
    unit: 'of thefts',
    meaning: 'comes once, takes what is there and never returns; the rest keep refreshing as long as it works',
    source: ASSUMPTION,
  },
  thiefIntervalSeconds: {
    value: 172_800,
    unit: 's',
    meaning: 'longest time between the refreshes of one thief; the shortest is 10 minutes',
    source: ASSUMPTION,
  },
} as const satisfies Record<string, Parameter>;

/** The same numbers, bare: what the simulation reads, and what a test may change. */
export type World = Record<keyof typeof parameters, number>;

export const defaultWorld = Object.fromEntries(
  Object.entries(parameters).map(([name, { value }]) => [name, value]),
) as World;
