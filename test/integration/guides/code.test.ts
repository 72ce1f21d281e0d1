import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { expect, test } from 'vitest';
import { readSnippets } from '../../../scripts/guides.js';
import { loadConfig } from '../../../src/config.js';
import { TEST_SECRET } from '../../support/test-app.js';
import { compile, installPackages, unpackGuides } from './unpack.js';

/** In these languages a guide's code is shown to be good, by this file or its neighbours; so each piece needs a name. */
const PROVED = ['ts', 'tsx', 'vue', 'ini', 'nginx'];

const COMPILER_OPTIONS = {
  target: 'ES2022',
  lib: ['ES2022', 'DOM', 'DOM.Iterable'],
  module: 'preserve',
  moduleResolution: 'bundler',
  jsx: 'react-jsx',
  types: ['node'],
  strict: true,
  noUncheckedIndexedAccess: true,
  noUnusedLocals: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: true,
  noEmit: true,
};

test('every piece of code in the guides that can be proved has a name of its own', () => {
  const proved = readSnippets().filter(({ language }) => PROVED.includes(language));
  expect(proved.length).toBeGreaterThan(20);
  for (const { guide, file, code } of proved) expect(file, `${guide}: ${code.slice(0, 60)}`).not.toBeNull();
  const names = proved.map(({ file }) => file);
  expect(names).toEqual([...new Set(names)]);
});

test('the guides’ TypeScript compiles against the client', async () => {
  const folder = await unpackGuides();
  await installPackages(folder);
  const configuration = { compilerOptions: COMPILER_OPTIONS, include: ['**/*.ts', '**/*.tsx'] };
  await writeFile(path.join(folder, 'tsconfig.json'), JSON.stringify(configuration));
  expect(await compile(['-p', folder])).toBe('');
});

const settings = readSnippets().filter(({ language }) => language === 'ini');

test.each(settings.map(({ file, code }) => [file, code] as const))('the service starts with %s', (_file, code) => {
  const required = { DATABASE_URL: 'postgresql://localhost/gatehouse', APP_SECRETS: TEST_SECRET };
  const config = loadConfig({ ...required, ...parseEnv(code) });
  expect(config.issuer).toMatch(/^https:/);
});
