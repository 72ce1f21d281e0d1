/**
 * `npm run simulate [-- --sessions 1000000 --seed 1 --chart docs/simulation.svg --set recoverySeconds=604800 …]`: how
 * often each way of rotating refresh tokens signs honest people out, and how often it misses a thief. `--set` changes a
 * parameter, and then draws no chart unless one is named. docs/simulation.md explains the model.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { drawChart, percent, signedOutShare, unnoticedShare } from './simulation/chart.js';
import { defaultWorld, type World } from './simulation/parameters.js';
import { comparedPolicies } from './simulation/policies.js';
import { simulate, type Tally } from './simulation/run.js';

const { values } = parseArgs({
  options: {
    sessions: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    chart: { type: 'string' },
    set: { type: 'string', multiple: true, default: [] },
  },
});
const sessions = wholeNumber('sessions', values.sessions, 1);
const seed = wholeNumber('seed', values.seed, 0);

const world = changedWorld(values.set);
const chart = values.chart ?? (values.set.length === 0 ? 'docs/simulation.svg' : null);

const startedAt = performance.now();
const policies = comparedPolicies(world.graceSeconds, world.recoverySeconds);
const tallies = simulate({ sessions, seed, world, policies });
const seconds = (performance.now() - startedAt) / 1000;

const changes = values.set.map((change) => `${change}; `).join('');
const caption = `${sessions.toLocaleString('en')} simulated sessions of ${world.days} days, seed ${seed}; ${changes}the same events for every policy.`;
if (chart !== null) await writeFile(chart, drawChart(tallies, caption));
console.log(
  `${caption}\n\n${table(tallies)}\n\nIn ${seconds.toFixed(0)} s${chart === null ? '' : `; chart in ${chart}`}.`,
);

/** Markdown, in line to the eye too. Honest people, then thieves; what follows a figure are its parts. */
function table(rows: Tally[]): string {
  const header = [
    'policy',
    'signed out',
    'after a lost answer',
    'after a kill',
    'kill after use',
    'by a second tab',
    'thieves unnoticed',
    'came once',
    'stayed',
    'median stay',
  ];
  const lines = rows.map((tally) => [
    tally.name,
    percent(signedOutShare(tally)),
    percent(tally.signedOutAfterLoss / tally.honestSessions),
    percent(tally.signedOutAfterKill / tally.honestSessions),
    percent(tally.signedOutAfterKillInUse / tally.honestSessions),
    percent(tally.signedOutBySecondTab / tally.honestSessions),
    percent(unnoticedShare(tally)),
    percent(tally.unnoticedOnce / tally.thefts),
    percent((tally.thievesUnnoticed - tally.unnoticedOnce) / tally.thefts),
    `${tally.medianThiefHours.toFixed(1)} h`,
  ]);
  const widths = header.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)),
  );
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [header, rule, ...lines]
    .map((cells) => `| ${cells.map((cell, column) => pad(cell, column, widths[column] ?? 0)).join(' | ')} |`)
    .join('\n');
}

function pad(cell: string, column: number, width: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}

function wholeNumber(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least) {
    console.error(`--${name} must be a whole number of at least ${least}.`);
    process.exit(1);
  }
  return value;
}

function changedWorld(changes: string[]): World {
  const changed = { ...defaultWorld };
  for (const change of changes) {
    const [name, text] = change.split('=', 2);
    if (name === undefined || !isParameter(name) || text === undefined || !(Number(text) >= 0)) {
      console.error(`--set needs name=number, with a name of scripts/simulation/parameters.ts; got ${change}.`);
      process.exit(1);
    }
    changed[name] = Number(text);
  }
  return changed;
}

function isParameter(name: string): name is keyof World {
  return Object.hasOwn(defaultWorld, name);
}
