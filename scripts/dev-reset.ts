/** `npm run dev:reset`: forgets the data and the secrets of `npm run dev`. */
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';

const owner = existsSync('.gatehouse/postgres.owner') ? await readFile('.gatehouse/postgres.owner', 'utf8') : '';
if (existsSync('.gatehouse/postgres/postmaster.pid') && isAlive(Number(owner))) {
  console.error('npm run dev is still running: stop it first (Ctrl-C in its window).');
  process.exit(1);
}
await rm('.gatehouse', { recursive: true, force: true });
console.log('Forgotten. npm run dev starts afresh.');

function isAlive(processId: number): boolean {
  try {
    return processId > 0 && process.kill(processId, 0);
  } catch {
    return false;
  }
}
