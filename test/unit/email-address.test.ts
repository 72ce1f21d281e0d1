import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { normalizeEmail } from '../../src/modules/accounts/email-address.js';

describe('spells as one', () => {
  test.each([
    ['upper and lower case', ' Ada@Example.COM ', 'ada@example.com'],
    ['a composed and a decomposed accent', 'jose\u0301@example.com', 'jos\u00e9@example.com'],
    ['a domain and its IDNA form', 'ada@bücher.de', 'ada@xn--bcher-kva.de'],
    ['a full-width domain, which is the same domain', 'ada@ｅｘａｍｐｌｅ.com', 'ada@example.com'],
    ['an upper-case letter with an accent', 'JOSÉ@example.com', 'josé@example.com'],
    [
      'capitals that have no composed form, though the small letter has',
      '\u03aa\u0301a@example.com',
      '\u0390a@example.com',
    ],
    ['Greek capitals with a final sigma', 'ΝΙΚΟΣ@example.com', 'νικος@example.com'],
    ['an Angstrom sign, which is the letter', '\u212bsa@example.com', 'åsa@example.com'],
    ['a sharp s and its capital', 'STRA\u1e9eE@example.com', 'straße@example.com'],
    ['a domain with a Kelvin sign, which is the same domain', 'ada@\u212aiel.example', 'ada@kiel.example'],
    ['an international domain in capitals', 'ada@BÜCHER.de', 'ada@xn--bcher-kva.de'],
    ['a domain in its IDNA form, in capitals', 'ada@XN--BCHER-KVA.de', 'ada@xn--bcher-kva.de'],
    ['spaces of other kinds around it', '\u00a0\u3000\ufeffada@example.com\u2003', 'ada@example.com'],
  ])('%s', (_name, typed, expected) => {
    expect(normalizeEmail(typed)).toBe(expected);
  });
});

test.each([
  ['a dotless ı', 'mıke@example.com', 'mike@example.com'],
  ['a Cyrillic а', 'аda@example.com', 'ada@example.com'],
  ['full-width letters', 'ａｄａ@example.com', 'ada@example.com'],
  ['a long s', '\u017fam@example.com', 'sam@example.com'],
  ['a sharp s and two', 'straße@example.com', 'strasse@example.com'],
  ['a ligature', '\ufb01@example.com', 'fi@example.com'],
  ['superscript digits', 'a²@example.com', 'a2@example.com'],
  ['a domain with a sharp s', 'ada@straße.example', 'ada@strasse.example'],
  ['a domain with a Cyrillic а', 'ada@ex\u0430mple.com', 'ada@example.com'],
  ['a domain with a dotless ı', 'ada@m\u0131ke.example', 'ada@mike.example'],
  ['a plus tag', 'ada+news@example.com', 'ada@example.com'],
  ['dots', 'a.da@example.com', 'ada@example.com'],
])('keeps look-alikes apart: %s', (_name, one, other) => {
  expect(normalizeEmail(one)).not.toBeNull();
  expect(normalizeEmail(one)).not.toBe(normalizeEmail(other));
});

test.each([
  ['a Kelvin sign, which would become k', '\u212Aelvin@example.com'],
  ['a dotted İ, which would become i and a dot', 'İstanbul@example.com'],
  ['a Greek grave accent, which would become a backtick', 'a\u1fefda@example.com'],
  ['a letter that nobody sees', 'ada\u3164@example.com'],
  ['a variation selector', 'ada\ufe0f@example.com'],
  ['a combining grapheme joiner', 'ada\u034f@example.com'],
  ['an ideographic full stop in the domain', 'ada@example\u3002com'],
  ['a number in full-width digits for a domain', 'ada@\uff11\uff12\uff17.0.0.1'],
  ['a hexadecimal number for a domain', 'ada@0x7f.1'],
  ['a broken IDNA form', 'ada@xn--a.example'],
  ['a domain that ends in a dot', 'ada@example.com.'],
  ['an escaped character in the domain', 'ada@example%2ecom'],
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

/** Letters of many scripts, capitals, combining marks and the characters that have surprised people before. */
const localPart = fc
  .array(
    fc.oneof(
      fc.constantFrom('a', 'K', 'i', 'I', '\u0130', '\u0131', '\u212a', '\u212b', 'ß', '\u1e9e', 'Σ', 'ς', '\u017f'),
      fc.constantFrom(
        '\u0301',
        '\u0308',
        '\u0307',
        '\u0345',
        'Ϊ',
        'Ǆ',
        'ǅ',
        'ﬁ',
        'Ａ',
        '\u1fef',
        '\u{1d400}',
        '\u{10400}',
      ),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    ),
    { minLength: 1, maxLength: 8 },
  )
  .map((characters) => characters.join(''));

test('leaves whatever it has normalised as it is, and in one spelling', () => {
  const property = fc.property(localPart, (local) => {
    const normalized = normalizeEmail(`${local}@example.com`);
    fc.pre(normalized !== null);
    expect(normalizeEmail(normalized ?? '')).toBe(normalized);
    expect(normalized).toBe(normalized?.normalize('NFC'));
    expect(normalizeEmail(`${local.normalize('NFD')}@EXAMPLE.com`)).toBe(normalized);
  });
  fc.assert(property, { numRuns: 2_000 });
});

test('makes no plain ASCII address of one that was none', () => {
  const property = fc.property(localPart, (local) => {
    const normalized = normalizeEmail(`${local}@example.com`);
    fc.pre(normalized !== null && !/^[\x21-\x7e]+$/.test(local.trim()));
    expect(normalized).not.toMatch(/^[\x21-\x7e]+$/);
  });
  fc.assert(property, { numRuns: 2_000 });
});

test('never gives two characters one spelling unless they are one letter in two cases or two compositions', () => {
  const spelled = new Map<string, string[]>();
  for (let code = 0x21; code < 0x20000; code += 1) {
    const character = String.fromCodePoint(code);
    const normalized = normalizeEmail(`x${character}x@e.io`);
    if (normalized !== null) spelled.set(normalized, [...(spelled.get(normalized) ?? []), character]);
  }
  const shared = [...spelled.values()].filter(({ length }) => length > 1);
  expect(shared.length).toBeGreaterThan(1_000);
  for (const characters of shared) {
    // The flags i and u compare by Unicode's simple case folding.
    const [first = ''] = characters;
    const sameLetter = new RegExp(`^[${first.normalize('NFC')}]$`, 'iu');
    for (const character of characters) expect(character.normalize('NFC')).toMatch(sameLetter);
    // What shares its spelling with plain ASCII is plain ASCII.
    const plain = characters.filter((character) => character < '\x7f');
    expect([0, characters.length]).toContain(plain.length);
  }
});
