import Bowser from 'bowser';

/**
 * What a person would call the device behind a user agent: "Firefox on Linux", "Safari on iPhone". A hint for its owner,
 * never a decision: anyone can send any user agent.
 *
 * @returns null when it says nothing that a person would recognise
 */
export function describeDevice(userAgent: string | null): string | null {
  if (!userAgent) return null;
  const { browser, os, platform } = Bowser.parse(userAgent);
  // Apple's phones and tablets are known by their own names, and Bowser has those.
  const place = platform.vendor === 'Apple' && platform.model ? platform.model : os.name;
  // Apps and tools send a name of their own before the first slash; the library knows browsers.
  const name = browser.name?.split('/', 1)[0] || /^[A-Za-z][\w .-]*(?=\/)/.exec(userAgent)?.[0];
  return name && place ? `${name} on ${place}` : name || place || null;
}
