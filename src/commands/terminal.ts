import { createInterface } from 'node:readline/promises';
import { UsageError } from './command.js';

/**
 * Asks before something that cannot be undone.
 *
 * @param what will happen, as a sentence
 * @throws UsageError when nobody says yes: without a terminal, `--yes` must have been given
 */
export async function confirm(what: string, { yes }: { yes: boolean }): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY) throw new UsageError(`${what} Add --yes to do it; nothing was done.`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`${what} Type yes to do it: `);
  terminal.close();
  if (answer.trim() !== 'yes') throw new UsageError('Nothing was done.');
}

/** Rows as a table for people: columns as wide as they must be. */
export function tableOf(heads: string[], rows: string[][]): string {
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => (row[column] ?? '').length)));
  return [heads, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** "1 session", "2 sessions". */
export function countSessions(sessions: number): string {
  return `${sessions} session${sessions === 1 ? '' : 's'}`;
}

/** One JSON document for scripts, or text for people. */
export function print(asJson: boolean, document: object, text: string): void {
  console.log(asJson ? JSON.stringify(document, null, 2) : text);
}
