import { replaceBetween } from '../reference.js';
import type { Result } from './run.js';

const VERDICTS: Record<Result['verdict'], string> = { passed: 'holds', failed: '**FAILED**', skipped: 'skipped' };
const HEAD = ['| row | fault | right behaviour | measured | verdict |', '|---|---|---|---|---|'];
const MARKS = ['<!-- figures: written by npm run faults -->', '<!-- figures: end -->'] as const;

/** The table of all results, in Markdown. */
export function tableOf(results: readonly Result[]): string {
  return [...HEAD, ...results.map(lineOf)].join('\n');
}

/**
 * Puts results into a document's table, between its marks. Rows that were not run keep the line that they have there.
 *
 * @param where under what circumstances all of it was measured
 * @param order the names of all rows there are
 */
export function writeFigures(
  document: string,
  where: string,
  results: readonly Result[],
  order: readonly string[],
): string {
  const written = document.slice(document.indexOf(MARKS[0]), document.indexOf(MARKS[1]));
  const lines = new Map<string, string>();
  for (const line of written.split('\n')) {
    const [, name] = /^\| `([^`]+)` \|/.exec(line) ?? [];
    if (name !== undefined) lines.set(name, line);
  }
  for (const result of results) lines.set(result.row.name, lineOf(result));
  const table = [...HEAD, ...order.flatMap((name) => lines.get(name) ?? [])].join('\n');
  return replaceBetween(document, MARKS, `${where}\n\n${table}`);
}

/** The last line. */
export function countOf(results: readonly Result[]): string {
  const count = (verdict: Result['verdict']) => results.filter((result) => result.verdict === verdict).length;
  return `${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`;
}

function lineOf({ row, verdict, figure }: Result): string {
  return `| ${[`\`${row.name}\``, row.fault, row.right, figure, VERDICTS[verdict]].map(cell).join(' | ')} |`;
}

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
