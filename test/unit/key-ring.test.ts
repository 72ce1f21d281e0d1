import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { createKeyRing } from '../../src/shared/key-ring.js';

const secret = (fill: number) => Buffer.alloc(32, fill);

test('the first secret makes, and all of them are found by their ids', () => {
  const ring = createKeyRing([secret(1), secret(2)]);
  const [first, second] = [secret(1), secret(2)].map((one) => createKeyRing([one]).current);
  expect(ring.current).toEqual(first);
  expect(ring.ids).toEqual([first?.id, second?.id]);
  expect(ring.byId(second?.id ?? -1)).toEqual(second);
  const stranger = [0, 1, 2, 3].find((id) => !ring.ids.includes(id)) ?? -1;
  expect(ring.byId(stranger)).toBeUndefined();
});

test('no secret is no key ring', () => {
  expect(() => createKeyRing([])).toThrow('at least one secret');
});

test('derives what it always has: tokens, passwords and keys that are out there were made with these', () => {
  const { current } = createKeyRing([secret(7)]);
  const digests = Object.fromEntries(
    Object.entries(current).map(([name, value]) => [
      name,
      Buffer.isBuffer(value) ? createHash('sha256').update(value).digest('hex').slice(0, 16) : value,
    ]),
  );
  expect(digests).toMatchInlineSnapshot(`
    {
      "attemptSubjectMac": "73050d29dfbd918b",
      "id": 208,
      "knownDeviceMac": "6172548502cad01a",
      "mfaTokenMac": "09cf366945c03a25",
      "passwordPepper": "132627ef0847534f",
      "refreshTokenMac": "09619340b59381fb",
      "secondFactorEncryption": "c4cf11e5ae56f96b",
      "signingKeyEncryption": "091e88ce5e27838d",
    }
  `);
});
