/** `npm run docs`: writes what the documents say of configuration, errors and the API. A test compares the same. */
import { readFile, writeFile } from 'node:fs/promises';
import { buildApp } from '../src/app.js';
import { loadConfig } from '../src/config.js';
import { applyMigrations } from '../src/database/migrations.js';
import { startEmbeddedPostgres } from './embedded-postgres.js';
import { CONFIGURATION_MARKS, configurationTable, envExample, errorReference, replaceBetween } from './reference.js';

await writeFile('.env.example', envExample());
await writeFile('docs/errors.md', errorReference());
const CONFIGURATION_PAGE = 'docs/configuration.md';
const configuration = await readFile(CONFIGURATION_PAGE, 'utf8');
await writeFile(CONFIGURATION_PAGE, replaceBetween(configuration, CONFIGURATION_MARKS, configurationTable()));

const postgres = await startEmbeddedPostgres({ folder: '.gatehouse/docs-postgres', throwaway: true });
try {
  const databaseUrl = postgres.url('postgres');
  await applyMigrations(databaseUrl);
  const app = await buildApp(
    loadConfig({
      DATABASE_URL: databaseUrl,
      APP_SECRETS: Buffer.from(Array.from({ length: 32 }, (_, index) => index)).toString('base64url'),
      ISSUER_URL: 'https://auth.example.com',
      LOG_LEVEL: 'silent',
    }),
  );
  await app.ready();
  await writeFile('docs/openapi.json', `${JSON.stringify(app.swagger(), null, 2)}\n`);
  await app.close();
} finally {
  await postgres.stop();
}
