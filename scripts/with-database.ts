/** `tsx scripts/with-database.ts <command> …`: runs a command with DATABASE_URL set to an empty database of its own. */
import { spawn } from 'node:child_process';
import { createThrowawayDatabase } from './throwaway-database.js';

const [command = '', ...args] = process.argv.slice(2);
const database = await createThrowawayDatabase();
const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, DATABASE_URL: database.url } });
const code = await new Promise<number>((resolve) => {
  child.once('error', (error) => {
    console.error(error.message);
    resolve(127);
  });
  child.once('close', (exitCode) => resolve(exitCode ?? 1));
});
await database.drop();
process.exit(code);
