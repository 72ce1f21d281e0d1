import { beforeAll, expect, test } from 'vitest';
import { createStrengthJudge } from '../../src/modules/passwords/password-strength.js';

const CONTEXT = ['Gatehouse', 'auth.example.com', 'ada.lovelace@example.com', 'ada.lovelace', 'lovelace'];

let judge: ReturnType<typeof createStrengthJudge>;
beforeAll(() => {
  judge = createStrengthJudge();
});

test.each([
  'correct horse battery staple',
  'hello world',
  'Tr0ub4dor&3',
  '正確的馬電池釘書針正確',
  'tab\tand\u0001bell\u0007and\u001bescape',
  'vSxq8mZk',
])('has nothing to say against %j', (password) => {
  expect(judge(password, CONTEXT)).toEqual([]);
});

test.each([
  ['a password that everyone uses', 'password1'],
  ['one with letters replaced', 'P4$$w0rd!'],
  ['a row of keys', 'qwertyuiop'],
  ['a date', '01/02/1990'],
  ['one character, ever again', 'a'.repeat(256)],
  ['one word, ever again', 'password'.repeat(32)],
  ['spaces', ' '.repeat(12)],
  ['one emoji, ever again', '😀'.repeat(8)],
  ['the address', 'ada.lovelace@example.com'],
  ['the address and a digit', 'Ada.Lovelace@example.com1'],
  ['a part of the address', 'lovelace7'],
  ['the name of the service and a year', 'Gatehouse2026'],
  ['the host of the service, backwards', 'moc.elpmaxe.htua'],
])('finds it easy to guess: %s', (_name, password) => {
  const advice = judge(password, CONTEXT);
  expect(advice.length).toBeGreaterThanOrEqual(2);
  for (const sentence of advice) expect(sentence).toMatch(/^[A-Z].*\.$/);
  expect(advice.join(' ')).not.toContain(password);
});

test('says of names that belong to the account what they are', () => {
  expect(judge('ada.lovelace@example.com', CONTEXT)[0]).toBe(
    'Your address and the name of this service are easy to guess.',
  );
});

test('looks at all of a long password: a weak beginning does not spoil a good end', () => {
  expect(judge(`${'a'.repeat(64)}correct horse battery staple`, [])).toEqual([]);
  expect(judge(`${'a'.repeat(200)}correct horse battery staple`, [])).toEqual([]);
  expect(judge('a'.repeat(228), [])).not.toEqual([]);
});

const fill = (atom: string) => atom.repeat(256).slice(0, 256);

/** The costliest of some thousand patterns and mixtures that were tried. */
const HOSTILE = {
  digits: fill('0123'),
  'digits, downwards': fill('9876'),
  dates: fill('31122020'),
  'dates with slashes': fill('01/02/90'),
  'letters replaced': fill('p4$$w0rd!1|'),
  'signs alone': fill('4@8({[</3#6!1|0$57%2'),
  keys: fill('qwertyuiop[]asdfghjkl;'),
  words: fill('correcthorsebatterystaple'),
  'one character': fill('a'),
  'emoji cut in half': fill('😀x'),
  'names of object properties': fill('__proto__constructor'),
  'lone surrogates': fill('\ud800'),
  'combining marks': fill('e\u0301\u0302'),
};

test('takes no longer for the worst 256 characters than a second, where an unbounded estimate takes several', () => {
  for (const [name, password] of Object.entries(HOSTILE)) {
    const before = process.cpuUsage();
    judge(password, CONTEXT);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000, name).toBeLessThan(1_000);
  }
});
