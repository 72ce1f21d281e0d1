import { describe, expect, test } from 'vitest';
import { normalizeEmail } from '../../src/modules/accounts/email-address.js';

describe('spells as one', () => {
  test.each([
    ['upper and lower case', ' Ada@Example.COM ', 'ada@example.com'],
    ['a composed and a decomposed accent', 'jose\u0301@example.com', 'jos\u00e9@example.com'],
    ['a domain and its IDNA form', 'ada@bücher.de', 'ada@xn--bcher-kva.de'],
    ['a full-width domain, which is the same domain', 'ada@ｅｘａｍｐｌｅ.com', 'ada@example.com'],
    ['an upper-case letter with an accent', 'JOSÉ@example.com', 'josé@example.com'],
  ])('%s', (_name, typed, expected) => {
    expect(normalizeEmail(typed)).toBe(expected);
  });
});

test.each([
  ['a dotless ı', 'mıke@example.com', 'mike@example.com'],
  ['a Cyrillic а', 'аda@example.com', 'ada@example.com'],
  ['full-width letters', 'ａｄａ@example.com', 'ada@example.com'],
  ['a plus tag', 'ada+news@example.com', 'ada@example.com'],
  ['dots', 'a.da@example.com', 'ada@example.com'],
])('keeps look-alikes apart: %s', (_name, one, other) => {
  expect(normalizeEmail(one)).not.toBeNull();
  expect(normalizeEmail(one)).not.toBe(normalizeEmail(other));
});

test.each([
  ['a Kelvin sign, which would become k', '\u212Aelvin@example.com'],
  ['a dotted İ, which would become i and a dot', 'İstanbul@example.com'],
  ['nothing', ''],
  ['no @', 'ada.example.com'],
  ['no local part', '@example.com'],
  ['no domain', 'ada@'],
  ['a domain of one label', 'ada@localhost'],
  ['an address literal', 'ada@[127.0.0.1]'],
  ['a number for a domain', 'ada@127.0.0.1'],
  ['a space', 'a da@example.com'],
  ['a line break', 'ada\r\nbcc:x@example.com'],
  ['two dots', 'a..da@example.com'],
  ['a dot at the end', 'ada.@example.com'],
  ['a quoted local part', '"a b"@example.com'],
  ['a slash in the domain', 'ada@example.com/x'],
  ['a port', 'ada@example.com:25'],
  ['an underscore in the domain', 'ada@exa_mple.com'],
  ['two addresses', 'ada@example.com,eve@example.com'],
  ['a bidi override', 'ada\u202e@example.com'],
  ['a zero-width joiner', 'a\u200dda@example.com'],
  ['a local part over 64 characters', `${'a'.repeat(65)}@example.com`],
  ['more than 254 characters', `ada@${'a.'.repeat(130)}com`],
])('refuses %s', (_name, typed) => {
  expect(normalizeEmail(typed)).toBeNull();
});

test('leaves what it has normalised as it is', () => {
  for (const address of ['ada@example.com', 'josé@xn--bcher-kva.de', 'mıke@example.com']) {
    expect(normalizeEmail(normalizeEmail(address) ?? '')).toBe(address);
  }
});
