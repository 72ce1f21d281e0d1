import { CHART_STYLE, escapeXml } from '../scripts/svg-chart.js';
import { figure, type Line } from './report.js';

type Bar = { name: string; rate: number; ours: boolean };
type Panel = { title: string; note: string; bars: Bar[] };

const WIDTH = 860;
const LABELS = 24;
const LEFT = 290;
const BAR_WIDTH = 440;
const ROW = 30;
const BAR = 20;
/** Above and below the bars of a panel. */
const HEAD = 64;
const FOOT = 40;

const PANELS = [
  { row: 'peers-read', title: 'Gated reads a second', note: 'who is asking, and a small answer' },
  {
    row: 'peers-refresh',
    title: 'Refreshes a second',
    note: 'or, where there is none, a read that prolongs the session',
  },
  { row: 'peers-sign-in', title: 'Sign-ins a second', note: 'bcrypt at cost 12, which is nearly all of it' },
];

/** The chart of the README: a bar for each library and figure, readable on light and dark and by a screen reader. */
export function drawChart(lines: Line[], caption: string): string {
  const panels = PANELS.flatMap((panel) => toPanel(panel, lines));
  const tops = panels.map((_, index) => panels.slice(0, index).reduce((top, panel) => top + heightOf(panel), 8));
  const height = panels.reduce((sum, panel) => sum + heightOf(panel), 8) + FOOT;
  const spoken = panels.map(
    ({ title, bars }) => `${title}: ${bars.map(({ name, rate }) => `${name} ${figure(rate)}`).join(', ')}`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="t d">`,
    '  <title id="t">What one process does in a second: Gatehouse and what else one would take</title>',
    `  <desc id="d">Bar charts; longer is better. ${escapeXml(spoken.join('. '))}. ${escapeXml(caption)}</desc>`,
    ...CHART_STYLE,
    `  <rect class="page" width="${WIDTH}" height="${height}" rx="8"/>`,
    ...panels.flatMap((panel, index) => drawPanel(panel, tops[index] ?? 0)),
    `  <text class="note" x="${LABELS}" y="${height - 14}">${escapeXml(caption)}</text>`,
    '</svg>',
    '',
  ].join('\n');
}

function toPanel({ row, title, note }: (typeof PANELS)[number], lines: Line[]): Panel[] {
  const measured = lines.filter((line) => line.row === row && line.measured !== null);
  const ours = Number(measured[0]?.measured?.details.gatehouse_per_second);
  if (measured.length === 0) return [];
  const bars = measured.map((line) => ({
    name: line.limit,
    rate: Number(line.measured?.details.peer_per_second),
    ours: false,
  }));
  return [{ title, note, bars: [{ name: 'Gatehouse', rate: ours, ours: true }, ...bars] }];
}

const heightOf = ({ bars }: Panel) => HEAD + bars.length * ROW;

function drawPanel({ title, note, bars }: Panel, top: number): string[] {
  const longest = Math.max(...bars.map(({ rate }) => rate));
  const first = top + HEAD - 8;
  return [
    `  <text class="title" x="${LABELS}" y="${top + 30}">${title}</text>`,
    `  <text class="note" x="${LEFT}" y="${top + 30}">${note} · longer is better</text>`,
    `  <line class="axis" x1="${LEFT}" y1="${first - 6}" x2="${LEFT}" y2="${first + bars.length * ROW - 4}"/>`,
    ...bars.flatMap(({ name, rate, ours }, index) => {
      const y = first + index * ROW;
      const width = (rate / longest) * BAR_WIDTH;
      const style = ours ? ' ours' : '';
      return [
        `  <text class="name${style}" x="${LABELS}" y="${y + 15}">${escapeXml(name)}</text>`,
        `  <rect class="bar${style}" x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2"/>`,
        `  <text class="value${style}" x="${(LEFT + width + 8).toFixed(1)}" y="${y + 15}">${figure(rate)}</text>`,
      ];
    }),
  ];
}
