import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  CONFIGURATION_MARKS,
  configurationTable,
  envExample,
  errorReference,
  replaceBetween,
} from '../../scripts/reference.js';
import { ERROR_CODES } from '../../src/shared/error-codes.js';
import { buildTestApp } from '../support/test-app.js';

/** When one of these fails: `npm run docs`. */
const read = (file: string) => readFileSync(file, 'utf8');

test('.env.example is what the configuration says', () => {
  expect(read('.env.example')).toBe(envExample());
});

test("the README's table of configuration is what the configuration says", () => {
  expect(read('README.md')).toBe(replaceBetween(read('README.md'), CONFIGURATION_MARKS, configurationTable()));
});

test('docs/errors.md is what the code says', () => {
  expect(read('docs/errors.md')).toBe(errorReference());
});

test('docs/openapi.json is what the service serves, and names every error code', async () => {
  const { app } = await buildTestApp({ DOCS_ENABLED: 'true', ISSUER_URL: 'https://auth.example.com' });
  const served = await app.inject('/openapi.json');
  expect(served.json()).toEqual(JSON.parse(read('docs/openapi.json')));
  for (const code of Object.keys(ERROR_CODES)) expect(served.body, code).toContain(`"${code}"`);
});

const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  'client/README.md',
  'postman/README.md',
  ...markdownBelow('docs'),
];

describe('links between documents lead somewhere', () => {
  test.each(documents)('%s', (file) => {
    for (const [, target = ''] of read(file).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:|^mailto:/.test(target)) continue;
      const [name = '', heading] = target.split('#');
      const linked = name === '' ? file : path.join(path.dirname(file), name);
      expect(existsSync(linked), `${file} → ${target}`).toBe(true);
      if (heading !== undefined) expect(headingsOf(linked), `${file} → ${target}`).toContain(heading);
    }
  });
});

/** As GitHub names them in addresses. */
function headingsOf(file: string): string[] {
  const prose = read(file).replace(/^```[\s\S]*?^```$/gm, '');
  return [...prose.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{Letter}\p{Number}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function markdownBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => path.join(folder, file));
}
