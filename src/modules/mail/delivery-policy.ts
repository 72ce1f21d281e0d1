/** Why a mail was not delivered. */
export type DeliveryFault = {
  /** The server will never take this mail. */
  permanent: boolean;
  /** The server could not be asked at all: that says nothing about the mail. */
  outage: boolean;
};

export type FaultDecision = { action: 'put_off'; seconds: number } | { action: 'bury' };

const FIRST_PAUSE_SECONDS = 30;
const LAST_PAUSE_SECONDS = 3_600;
/** Whoever could not be reached may be back any moment. */
const LAST_OUTAGE_PAUSE_SECONDS = 300;
/** Who asked for a link a day ago has asked again since, or given up. */
const LINK_LIFETIME_SECONDS = 86_400;
const NEWS_LIFETIME_SECONDS = 3 * 86_400;

/** Whether nobody waits for a mail any more. */
export function isTooOld({ ageSeconds, hasLink }: { ageSeconds: number; hasLink: boolean }): boolean {
  return ageSeconds > (hasLink ? LINK_LIFETIME_SECONDS : NEWS_LIFETIME_SECONDS);
}

/**
 * What becomes of a mail that was not delivered: tried again after a pause that doubles, or given up.
 *
 * @param random 0 to 1: pauses are spread, so that mails that failed together do not come back together
 */
export function decideFault(
  { permanent, outage }: DeliveryFault,
  { attempt, ageSeconds, hasLink }: { attempt: number; ageSeconds: number; hasLink: boolean },
  random: number,
): FaultDecision {
  if (permanent || isTooOld({ ageSeconds, hasLink })) return { action: 'bury' };
  const longest = outage ? LAST_OUTAGE_PAUSE_SECONDS : LAST_PAUSE_SECONDS;
  const pause = Math.min(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), longest);
  return { action: 'put_off', seconds: pause * (0.8 + 0.4 * random) };
}
