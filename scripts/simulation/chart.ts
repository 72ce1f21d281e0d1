import { CHART_STYLE, escapeXml } from '../svg-chart.js';
import type { Tally } from './run.js';

type Panel = { title: string; note: string; left: number; share: (tally: Tally) => number };

const WIDTH = 860;
const BAR_WIDTH = 230;
const TOP = 112;
const ROW = 44;
const LABELS = 24;

const PANELS: Panel[] = [
  { title: 'Honest people signed out', note: 'of honest sessions', left: 190, share: signedOutShare },
  { title: 'Thieves never noticed', note: 'of thefts', left: 530, share: unnoticedShare },
];

export function signedOutShare({ signedOut, honestSessions }: Tally): number {
  return honestSessions === 0 ? 0 : signedOut / honestSessions;
}

export function unnoticedShare({ thievesUnnoticed, thefts }: Tally): number {
  return thefts === 0 ? 0 : thievesUnnoticed / thefts;
}

/** `0.0086` as `0.86 %`. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

/** The chart of the README: a bar for each policy and figure, readable on light and dark and by a screen reader. */
export function drawChart(tallies: Tally[], caption: string): string {
  const height = TOP + tallies.length * ROW + 40;
  const spoken = tallies
    .map((tally) => `${tally.name}: ${percent(signedOutShare(tally))} and ${percent(unnoticedShare(tally))}`)
    .join('; ');
  const names = tallies.map((tally, index) => {
    const style = index === 0 ? 'name ours' : 'name';
    return `  <text class="${style}" x="${LABELS}" y="${TOP + index * ROW + 19}">${escapeXml(tally.name)}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="t d">`,
    '  <title id="t">Honest people signed out and thieves never noticed, by rotation policy</title>',
    `  <desc id="d">Two bar charts; shorter is better. ${escapeXml(spoken)}. ${escapeXml(caption)}</desc>`,
    ...CHART_STYLE,
    `  <rect class="page" width="${WIDTH}" height="${height}" rx="8"/>`,
    ...names,
    ...PANELS.flatMap((panel) => drawPanel(panel, tallies)),
    `  <text class="note" x="${LABELS}" y="${height - 14}">${escapeXml(caption)}</text>`,
    '</svg>',
    '',
  ].join('\n');
}

function drawPanel({ title, note, left, share }: Panel, tallies: Tally[]): string[] {
  const longest = Math.max(...tallies.map(share), 0.000_001);
  const bars = tallies.flatMap((tally, index) => {
    const width = (share(tally) / longest) * BAR_WIDTH;
    const y = TOP + index * ROW;
    const style = index === 0 ? ' ours' : '';
    return [
      `  <rect class="bar${style}" x="${left}" y="${y}" width="${width.toFixed(1)}" height="28" rx="2"/>`,
      `  <text class="value${style}" x="${(left + width + 8).toFixed(1)}" y="${y + 19}">${percent(share(tally))}</text>`,
    ];
  });
  const bottom = TOP + tallies.length * ROW - 8;
  return [
    `  <text class="title" x="${left}" y="52">${title}</text>`,
    `  <text class="note" x="${left}" y="74">${note} · shorter is better</text>`,
    `  <line class="axis" x1="${left}" y1="${TOP - 8}" x2="${left}" y2="${bottom}"/>`,
    ...bars,
  ];
}
