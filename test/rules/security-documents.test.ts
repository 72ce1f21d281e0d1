import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';

const FOLDER = 'docs/security';
const DOCUMENTS = readdirSync(FOLDER).filter((file) => file.endsWith('.md'));

const read = (file: string) => readFileSync(path.join(FOLDER, file), 'utf8');

/** What a document says of tests: `file` › “title as it stands in the file”. */
function testsNamedIn(text: string): { file: string; title: string }[] {
  return [...text.matchAll(/`([^`]+\.test\.ts)` › “([^”]+)”/g)].map(([, file = '', title = '']) => ({ file, title }));
}

describe.each(DOCUMENTS)('docs/security/%s', (document) => {
  const text = read(document);

  test('names tests that are there, by their titles', () => {
    for (const { file, title } of testsNamedIn(text)) {
      expect(existsSync(file), file).toBe(true);
      const titles = readFileSync(file, 'utf8').replaceAll("\\'", "'");
      const found = ["'", '"', '`'].some((quote) => titles.includes(`${quote}${title}${quote}`));
      expect(found, `${file} › ${title}`).toBe(true);
    }
    // One that is not written so would go unseen.
    expect(text.match(/›/g)?.length ?? 0).toBe(testsNamedIn(text).length);
  });

  test('names files that are there', () => {
    for (const [, file = ''] of text.matchAll(
      /`((?:src|test|docs|scripts|prisma|deploy|client|playground|bench)\/[^`*]+)`/g,
    )) {
      expect(existsSync(file), file).toBe(true);
    }
  });
});

test('every attack has a test', () => {
  const attacks = read('attacks.md').split(/^- /m).slice(1);
  expect(attacks.length).toBeGreaterThan(35);
  for (const attack of attacks) expect(testsNamedIn(attack).length, attack).toBeGreaterThan(0);
});

test('the ASVS page has every requirement of its chapters, in order, with its level and a verdict', () => {
  const levels = JSON.parse(readFileSync('test/rules/asvs-5.0.json', 'utf8')) as Record<string, number[]>;
  const required = Object.entries(levels).flatMap(([section, ofSection]) =>
    ofSection.map((level, index) => `${section}.${index + 1} level ${level}`),
  );
  expect(required.length).toBe(269);
  const rows = requirementsIn(read('asvs.md'));
  expect(rows.map(({ number, level }) => `${number} level ${level}`)).toEqual(required);
  for (const { number, verdict, reason } of rows) {
    expect(['met', 'n/a', 'yours', '**not met**'], number).toContain(verdict);
    expect(reason.length, number).toBeGreaterThan(4);
  }
});

test('the ASVS page names code, a document or a test for what is met, and its sums are right', () => {
  const text = read('asvs.md');
  const rows = requirementsIn(text);
  for (const [index, { number, verdict, reason }] of rows.entries()) {
    if (verdict !== 'met' || reason.includes('`')) continue;
    // “the same” is the line above.
    expect(`${rows[index - 1]?.verdict} ${reason}`, number).toMatch(/^met .*the same/);
  }
  for (const [verdict, ...counts] of text.matchAll(/^\| (met|n\/a|yours|not met) \| (\d+) \| (\d+) \| (\d+) \|$/gm)) {
    const name = counts.shift();
    const counted = ['1', '2', '3'].map(
      (level) => rows.filter((row) => row.level === level && row.verdict.replaceAll('**', '') === name).length,
    );
    expect(counted, verdict).toEqual(counts.map(Number));
  }
});

function requirementsIn(text: string) {
  return [...text.matchAll(/^\| (V[\d.]+) \| (\d) \| .+? \| (\S+|\*\*not met\*\*) \| (.+) \|$/gm)].map(
    ([, number = '', level = '', verdict = '', reason = '']) => ({ number, level, verdict, reason }),
  );
}

test('the inventory of cryptography names every file that uses any', () => {
  const inventory = read('cryptography.md');
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
    .map((file) => path.join('src', file))
    .filter((file) => /\.[jt]s$/.test(file) && !file.startsWith('src/generated'));
  const using = files.filter((file) => {
    const code = readFileSync(file, 'utf8').replace(/import \{ randomUUID \} from 'node:crypto';/, '');
    return /from '(node:crypto|bcrypt|fast-jwt|@fastify\/jwt)'/.test(code);
  });
  expect(using.length).toBeGreaterThan(10);
  for (const file of using) expect(inventory, file).toContain(`\`${file}\``);
});
