import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
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

test('docs/configuration.md is what the configuration says', () => {
  const page = read('docs/configuration.md');
  expect(page).toBe(replaceBetween(page, CONFIGURATION_MARKS, configurationTable()));
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
