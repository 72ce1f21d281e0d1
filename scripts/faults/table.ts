import type { Result } from './run.js';

const VERDICTS: Record<Result['verdict'], string> = { passed: 'holds', failed: '**FAILED**', skipped: 'skipped' };

/** The table of all results, in Markdown. */
export function tableOf(results: readonly Result[]): string {
  const rows = results.map(({ row, verdict, figure }) =>
    [`\`${row.name}\``, row.fault, row.right, figure, VERDICTS[verdict]].map(cell).join(' | '),
  );
  return [
    '| row | fault | right behaviour | measured | verdict |',
    '|---|---|---|---|---|',
    ...rows.map((row) => `| ${row} |`),
  ].join('\n');
}

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** The last line. */
export function countOf(results: readonly Result[]): string {
  const count = (verdict: Result['verdict']) => results.filter((result) => result.verdict === verdict).length;
  return `${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`;
}
