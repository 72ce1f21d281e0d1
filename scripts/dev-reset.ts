/** `npm run dev:reset`: forgets the data and the secrets of `npm run dev`. */
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { startEmbeddedPostgres } from './embedded-postgres.js';

const FOLDER = '.gatehouse/postgres';

const movedTo = await readFile(`${FOLDER}.moved-to`, 'utf8').then(
  (text) => text.trim(),
  () => null,
);
if (existsSync(`${movedTo ?? FOLDER}/postmaster.pid`)) {
  // Whether anyone uses it can only be asked of the server itself. One that does not even start is used by nobody.
  const postgres = await startEmbeddedPostgres({ folder: FOLDER }).catch(() => null);
  if (postgres && !(await postgres.stop())) {
    console.error('npm run dev is still running: stop it first (Ctrl-C in its window).');
    process.exit(1);
  }
}
if (movedTo) await rm(movedTo, { recursive: true, force: true });
await rm('.gatehouse', { recursive: true, force: true });
console.log('Forgotten. npm run dev starts afresh.');
