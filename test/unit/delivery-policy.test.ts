import { expect, test } from 'vitest';
import { decideFault } from '../../src/modules/mail/delivery-policy.js';

const LATER = { permanent: false, outage: false };
const OUTAGE = { permanent: false, outage: true };
const NEVER = { permanent: true, outage: false };
const DAY = 86_400;

test.each([
  ['waits half a minute after the first attempt', LATER, { attempt: 1, ageSeconds: 1, hasLink: true }, 30],
  ['doubles the pause', LATER, { attempt: 4, ageSeconds: 300, hasLink: true }, 240],
  ['waits for an hour at the most', LATER, { attempt: 50, ageSeconds: 300, hasLink: true }, 3_600],
  ['waits less for a server that cannot be reached', OUTAGE, { attempt: 50, ageSeconds: 300, hasLink: true }, 300],
  ['keeps news for three days', LATER, { attempt: 1, ageSeconds: 2 * DAY, hasLink: false }, 30],
] as const)('%s', (_name, fault, mail, seconds) => {
  expect(decideFault(fault, mail, 0.5)).toEqual({ action: 'put_off', seconds });
  const spread = [0, 1].map((random) => decideFault(fault, mail, random));
  expect(spread).toEqual([
    { action: 'put_off', seconds: expect.closeTo(seconds * 0.8) },
    { action: 'put_off', seconds: expect.closeTo(seconds * 1.2) },
  ]);
});

test.each([
  ['what the server will never take', NEVER, { attempt: 1, ageSeconds: 1, hasLink: false }],
  ['a link after a day', LATER, { attempt: 2, ageSeconds: DAY + 1, hasLink: true }],
  ['a link after a day without a server', OUTAGE, { attempt: 2, ageSeconds: DAY + 1, hasLink: true }],
  ['news after three days', LATER, { attempt: 2, ageSeconds: 3 * DAY + 1, hasLink: false }],
] as const)('gives up %s', (_name, fault, mail) => {
  expect(decideFault(fault, mail, 0.5)).toEqual({ action: 'bury' });
});
