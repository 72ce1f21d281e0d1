import { expect, test } from 'vitest';
import { describeDevice } from '../../src/modules/sessions/device.js';

test.each([
  ['Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0', 'Firefox on Linux'],
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
    'Chrome on Windows',
  ],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1',
    'Safari on iPhone',
  ],
  [
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15',
    'Safari on macOS',
  ],
  [
    'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36',
    'Chrome on Android',
  ],
  ['curl/8.5.0', 'curl'],
  ['MyApp/3.2 CFNetwork/1490 Darwin/24.1.0', 'MyApp'],
  ['', null],
  [null, null],
])('%s is %s', (userAgent, expected) => {
  expect(describeDevice(userAgent)).toBe(expected);
});

test.each(['(', '/', '\u0000', 'a'.repeat(256), '((((((((((((((((((((((((((', 'Mozilla/5.0 (', '__proto__', '%00%0a'])(
  'makes something of anything, without throwing: %j',
  (userAgent) => {
    const device = describeDevice(userAgent);
    expect(device === null || typeof device === 'string').toBe(true);
  },
);
