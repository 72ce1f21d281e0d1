/**
 * `npm run bench`: how fast the service is, as ratios to limits of the same run (docs/bench.md).
 *
 *     npm run bench                      all rows, about 20 minutes; writes bench/results.json, its table in docs/bench.md
 *                                        and the README's chart
 *     npm run bench -- --short           each row once and briefly: does all of it run? No verdicts, nothing is written
 *     npm run bench -- --only a,b        these rows alone, the others keep their figures; --list names them
 */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import closeWithGrace from 'close-with-grace';
import { replaceBetween } from '../scripts/reference.js';
import { drawChart } from './chart.js';
import { FULL, SHORT } from './interleave.js';
import { divideCores, keepTo } from './machine.js';
import { openPostgres } from './postgres.js';
import { describeMachine, type Line, linesOf, machineText, tableOf } from './report.js';
import { ROWS } from './rows.js';
import { createStage, ROOT } from './stage.js';

const RESULTS = path.join(ROOT, 'bench/results.json');
const CHART = path.join(ROOT, 'docs/images/speed.svg');
const DOCUMENT = path.join(ROOT, 'docs/bench.md');
const MARKS = ['<!-- figures: written by npm run bench -->', '<!-- figures: end -->'] as const;

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    only: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
});
const names = values.only?.split(',') ?? ROWS.map(({ name }) => name);
const unknown = names.filter((name) => !ROWS.some((row) => row.name === name));
if (unknown.length > 0) {
  console.error(`There is no row ${unknown.join(', ')}. npm run bench -- --list names them.`);
  process.exit(2);
}
if (values.list) {
  for (const { name, title } of ROWS) console.log(`${name.padEnd(20)} ${title}`);
  process.exit(0);
}

process.chdir(ROOT);
await install();
console.log('Building the service …');
await promisify(execFile)(process.execPath, [
  'node_modules/typescript/bin/tsc',
  '-p',
  'tsconfig.build.json',
  '--noCheck',
]);

const effort = values.short ? SHORT : FULL;
const cores = divideCores();
if (cores) await keepTo(cores.load, process.pid);
const machine = describeMachine(cores);
console.log(machineText(machine));

const postgres = await openPostgres(cores?.postgres);
const { stage, clear } = createStage(effort, cores, postgres);
// Ctrl-C at any time: whatever was started is ended, and nothing else is.
closeWithGrace({ delay: 20_000, logger: false }, async ({ err }) => {
  if (err) console.error(err);
  await clear();
  await postgres.stop();
});

const lines: Line[] = [];
const failures: string[] = [];
try {
  for (const row of ROWS.filter(({ name }) => names.includes(name))) {
    const startedAt = performance.now();
    console.log(`\n${row.name}: ${row.title}`);
    try {
      const found = linesOf(row, await row.measure(stage));
      lines.push(...found);
      for (const { limit, measured, skipped } of found) {
        stage.note(skipped === undefined ? `${limit}: ${JSON.stringify(measured)}` : `skipped: ${skipped}`);
      }
    } catch (error) {
      failures.push(row.name);
      console.error(error);
    }
    await clear();
    stage.note(`${((performance.now() - startedAt) / 1_000).toFixed(0)} s`);
  }
} finally {
  await clear();
  await postgres.stop();
}

console.log(`\n${tableOf(lines, effort)}\n`);
if (!effort.short) await write();
const missed = effort.short ? [] : lines.filter(({ met }) => met === false);
if (failures.length > 0) console.error(`Could not be measured: ${failures.join(', ')}.`);
if (missed.length > 0) console.error(`${missed.length} of ${lines.length} targets were missed.`);
process.exit(failures.length + missed.length > 0 ? 1 : 0);

/** Rows that were not measured this time keep the figures that they have. */
async function write(): Promise<void> {
  const before: Line[] = existsSync(RESULTS) ? JSON.parse(await readFile(RESULTS, 'utf8')).lines : [];
  const all = ROWS.flatMap(({ name }) => {
    const now = lines.filter(({ row }) => row === name);
    return now.length > 0 ? now : before.filter(({ row }) => row === name);
  });
  await writeFile(RESULTS, `${JSON.stringify({ machine, lines: all }, null, 2)}\n`);
  const { node, processor, cores: count } = machine;
  await writeFile(CHART, drawChart(all, `npm run bench · ${count} cores, ${processor} · Node ${node}`));
  const document = await readFile(DOCUMENT, 'utf8');
  const figures = `${machineText(machine)}\n\n${tableOf(all, effort)}`;
  await writeFile(DOCUMENT, replaceBetween(document, MARKS, figures));
  console.log(`Written: ${[RESULTS, CHART, DOCUMENT].map((file) => path.relative(ROOT, file)).join(', ')}`);
}

/** The packages that the service is compared with, which nobody else needs. */
async function install(): Promise<void> {
  if (existsSync('bench/peers/jwt-prisma/built/client.js')) return;
  console.log('Installing what the service is compared with …');
  run('npm', ['ci', '--prefix', 'bench', '--no-audit', '--no-fund']);
  // Generating needs no engine; naming any file that exists keeps Prisma from fetching one.
  const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: 'package.json', CHECKPOINT_DISABLE: '1' };
  const schema = 'bench/peers/jwt-prisma/schema.prisma';
  run(process.execPath, ['node_modules/prisma/build/index.js', 'generate', '--no-hints', '--schema', schema], env);
  run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'bench/peers/jwt-prisma/tsconfig.json']);
}

function run(program: string, args: string[], env = process.env): void {
  const { status } = spawnSync(program, args, { stdio: 'inherit', env });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed.`);
}
