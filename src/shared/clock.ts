/** The time that decides lifetimes, in milliseconds since 1970. In the service it is the database's: see database/clock.ts. */
export type Clock = { now: () => number };
