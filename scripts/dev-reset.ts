/** `npm run dev:reset`: forgets the data and the secrets of `npm run dev`. */
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { startEmbeddedPostgres } from './embedded-postgres.js';

const FOLDER = '.gatehouse/postgres';

if (existsSync(FOLDER)) {
  // Starts it only to ask whether anyone else uses it, and stops it then.
  const postgres = await startEmbeddedPostgres({ folder: FOLDER });
  if (!(await postgres.stop())) {
    console.error('npm run dev is still running: stop it first (Ctrl-C in its window).');
    process.exit(1);
  }
}
const movedTo = await readFile(`${FOLDER}.moved-to`, 'utf8').catch(() => null);
if (movedTo) await rm(movedTo.trim(), { recursive: true, force: true });
await rm('.gatehouse', { recursive: true, force: true });
console.log('Forgotten. npm run dev starts afresh.');
