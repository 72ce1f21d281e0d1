// Runs in a worker thread, one hash at a time. Plain JavaScript, because a worker is loaded by Node itself, which
// has no TypeScript loader in development.
import os from 'node:os';
import bcrypt from 'bcrypt';

// On Linux this lowers the calling thread alone, and needs no privilege: when cores are short, requests go first.
if (process.platform === 'linux') os.setPriority(0, os.constants.priority.PRIORITY_LOW);

/**
 * @param {{ input: string, cost: number } | { input: string, bcrypt: string }} task
 * @returns {string | boolean} the bcrypt hash, or whether the input matches the one given
 */
export default function work(task) {
  return 'cost' in task ? bcrypt.hashSync(task.input, task.cost) : bcrypt.compareSync(task.input, task.bcrypt);
}
