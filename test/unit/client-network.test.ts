import fc from 'fast-check';
import { expect, test } from 'vitest';
import { networkOf } from '../../src/modules/attempts/client-network.js';

test.each([
  ['203.0.113.7', '203.0.113.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0DB8:0001:0002::9', '2001:db8:1:2::/64'],
  ['2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
  ['2001:db8::1:2:3:4', '2001:db8:0:0::/64'],
  ['2001:db8::', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['fe80::1', 'fe80:0:0:0::/64'],
  ['64:ff9b::203.0.113.7', '64:ff9b:0:0::/64'],
  ['::ffff:203.0.113.7', '203.0.113.7'],
  ['::ffff:cb00:7107', '203.0.113.7'],
  ['0:0:0:0:0:ffff:cb00:7107', '203.0.113.7'],
])('takes %s for %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});

test('takes two IPv6 addresses for one client exactly when their first 64 bits are the same', () => {
  const address = fc.array(fc.integer({ min: 1, max: 0xffff }), { minLength: 8, maxLength: 8 });
  const spell = (groups: number[]) => groups.map((group) => group.toString(16)).join(':');
  const property = fc.property(address, address, (one, other) => {
    const sameNetwork = [...one.slice(0, 4), ...other.slice(4)];
    expect(networkOf(spell(sameNetwork))).toBe(networkOf(spell(one)));
    const same = one.slice(0, 4).every((group, index) => group === other[index]);
    expect(networkOf(spell(one)) === networkOf(spell(other))).toBe(same);
  });
  fc.assert(property);
});
