// Runs in a worker thread, one password at a time. Plain JavaScript, because a worker is loaded by Node itself, which
// has no TypeScript loader in development.
import os from 'node:os';
import bcrypt from 'bcrypt';

// On Linux this lowers the calling thread alone, and needs no privilege: when cores are short, requests go first.
if (process.platform === 'linux') os.setPriority(0, os.constants.priority.PRIORITY_LOW);

/** @type {Promise<(password: string, context: string[]) => string[]> | undefined} */
let judge;

/**
 * @param {{ input: string, cost: number } | { input: string, bcrypt: string, fullCost: number }
 *   | { password: string, context: string[] }} task
 * @returns {Promise<string | boolean | string[]>} the bcrypt hash; whether the input matches the one given; or advice
 */
export default async function work(task) {
  if ('context' in task) {
    // Dictionaries take time and memory: only a thread that judges a new password has them.
    judge ??= import('./password-strength.js').then((strength) => strength.createStrengthJudge());
    return (await judge)(task.password, task.context);
  }
  if ('cost' in task) return bcrypt.hashSync(task.input, task.cost);
  if (bcrypt.compareSync(task.input, task.bcrypt)) return true;
  // Each cost takes twice the time of the one before: c, and then c, c + 1 … n - 1, is as long as n.
  for (let cost = bcrypt.getRounds(task.bcrypt); cost < task.fullCost; cost += 1) {
    bcrypt.compareSync(task.input, `$2b$${String(cost).padStart(2, '0')}$${'.'.repeat(53)}`);
  }
  return false;
}
