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
