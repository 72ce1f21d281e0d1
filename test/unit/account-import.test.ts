import { expect, test } from 'vitest';
import { createProgressBar, describeProgress } from '../../src/commands/progress-bar.js';
import { type Line, MAX_LINE_BYTES, readLines } from '../../src/commands/read-lines.js';
import { parseImportLine } from '../../src/modules/accounts/account-import.js';

const NOW = new Date('2026-01-01T00:00:00Z');
const HASH = `$2b$12$${'a'.repeat(53)}`;
const parse = (members: object) => parseImportLine(JSON.stringify(members), NOW);

test('reads an account, with its address normalised', () => {
  expect(parse({ email: ' Ada@EXAMPLE.com ', password_hash: HASH })).toEqual({
    email: 'ada@example.com',
    passwordHash: HASH,
    emailVerified: false,
    createdAt: null,
  });
  expect(
    parse({
      email: 'ada@example.com',
      password_hash: HASH.replace('2b', '2y'),
      email_verified: true,
      created_at: '2024-02-29T12:00:00.5+02:00',
    }),
  ).toMatchObject({ emailVerified: true, createdAt: new Date('2024-02-29T10:00:00.500Z') });
});

test.each<[string, string, RegExp]>([
  ['no JSON', `{"email": "${HASH}"`, /not a JSON object/],
  ['a list', `["${HASH}"]`, /not a JSON object/],
  ['null', 'null', /not a JSON object/],
  ['an unknown member', JSON.stringify({ email: 'a@b.cd', password_hash: HASH, [HASH]: 1 }), /none of email/],
  ['__proto__', `{"__proto__":{"email":"a@b.cd"},"email":"a@b.cd","password_hash":"${HASH}"}`, /none of email/],
  ['no address', JSON.stringify({ password_hash: HASH }), /^email is/],
  ['what is no address', JSON.stringify({ email: 'a b@c.de', password_hash: HASH }), /^email is/],
  ['a Kelvin sign', JSON.stringify({ email: '\u212aate@b.cd', password_hash: HASH }), /^email is/],
  ['a lone surrogate', '{"email":"\\ud800@b.cd","password_hash":"x"}', /^email is/],
  ['no hash', JSON.stringify({ email: 'a@b.cd' }), /^password_hash is/],
  ['a password', JSON.stringify({ email: 'a@b.cd', password_hash: 'hunter2' }), /^password_hash is/],
  [
    'a cost that takes years',
    JSON.stringify({ email: 'a@b.cd', password_hash: HASH.replace('12', '31') }),
    /cost from 4 to 16/,
  ],
  ['a hash and a newline', JSON.stringify({ email: 'a@b.cd', password_hash: `${HASH}\n` }), /^password_hash is/],
  ['verified as text', JSON.stringify({ email: 'a@b.cd', password_hash: HASH, email_verified: 'true' }), /^email_v/],
  ['a time of no zone', created('2024-05-31T12:00:00'), /^created_at is not/],
  ['30 February', created('2024-02-30T12:00:00Z'), /^created_at is not/],
  ['a time in numbers', created(1_717_156_800), /^created_at is not/],
  ['a time to come', created('2026-01-01T00:00:01Z'), /^created_at is in the future/],
  ['a time before there were any', created('0000-01-01T00:00:00Z'), /^created_at is before/],
])('says what is wrong and repeats none of it: %s', (_name, text, fault) => {
  const said = parseImportLine(text, NOW);
  expect(said).toMatch(fault);
  for (const part of [HASH.slice(7), 'hunter2', '\u212a']) expect(said).not.toContain(part);
});

function created(time: unknown): string {
  return JSON.stringify({ email: 'a@b.cd', password_hash: HASH, created_at: time });
}

/** Lines of bytes that come in chunks of this size. */
async function linesOf(bytes: Buffer, chunkBytes: number): Promise<Line[]> {
  async function* chunks() {
    for (let start = 0; start < bytes.length; start += chunkBytes) yield bytes.subarray(start, start + chunkBytes);
  }
  const lines: Line[] = [];
  for await (const line of readLines(chunks())) lines.push(line);
  return lines;
}

test.each([1, 2, 3, 7, 1_000])('splits lines wherever chunks of %i bytes are cut', async (chunkBytes) => {
  const bytes = Buffer.concat([
    Buffer.from('\ufefferste ü\r\n\n🐎 dritte\n'),
    Buffer.from([0xff, 0xfe, 0x0a]),
    Buffer.from('letzte'),
  ]);
  expect(await linesOf(bytes, chunkBytes)).toEqual([
    { number: 1, text: 'erste ü' },
    { number: 2, text: '' },
    { number: 3, text: '🐎 dritte' },
    { number: 4, fault: 'it is not UTF-8' },
    { number: 5, text: 'letzte' },
  ]);
});

test('passes over a line that is too long, and takes those around it', async () => {
  const exact = 'x'.repeat(MAX_LINE_BYTES);
  const bytes = Buffer.from(`one\n${exact}y\n${exact}\n${'z'.repeat(1_000_000)}\nlast\n`);
  const lines = await linesOf(bytes, 10_000);
  expect(lines.map((line) => ('fault' in line ? line.fault : line.text.length))).toEqual([
    3,
    'it is longer than 64 KB',
    MAX_LINE_BYTES,
    'it is longer than 64 KB',
    4,
  ]);
});

test('holds nothing of a line without an end', async () => {
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  async function* endless() {
    for (let megabyte = 0; megabyte < 300; megabyte += 1) yield chunk;
    yield Buffer.from('\nlast');
  }
  const before = process.memoryUsage().rss;
  const lines: Line[] = [];
  for await (const line of readLines(endless())) lines.push(line);
  expect(lines).toEqual([
    { number: 1, fault: 'it is longer than 64 KB' },
    { number: 2, text: 'last' },
  ]);
  expect(process.memoryUsage().rss - before).toBeLessThan(150_000_000);
});

test('draws how far it is on a terminal, with other lines above, and nothing where there is none', () => {
  expect(describeProgress(50, 100, 1_234)).toBe('[############------------]  50 %  1,234 lines');
  expect(describeProgress(50, undefined, 7)).toBe('7 lines');
  for (const isTTY of [true, false]) {
    const written: string[] = [];
    const terminal = { isTTY, columns: 30, write: (text: string) => written.push(text) };
    const bar = createProgressBar({ terminal, totalBytes: 100, now: () => 0 });
    bar.update(10, 1);
    bar.update(11, 2);
    bar.print('line 3: it is not UTF-8');
    bar.update(20, 4);
    bar.stop();
    const shown = '\r\u001b[K';
    expect(written.join('')).toBe(
      isTTY
        ? `${shown}[##----------------------]  1${shown}line 3: it is not UTF-8\n${shown}[####--------------------]  2${shown}`
        : 'line 3: it is not UTF-8\n',
    );
  }
});
