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
