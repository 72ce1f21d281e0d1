/**
 * `npm run faults`: breaks everything that Gatehouse stands on, and looks whether it keeps its word (docs/faults.md).
 *
 *     npm run faults                     full figures, about 15 minutes
 *     npm run faults -- --short          fewer rounds, for each build
 *     npm run faults -- --only a,b       these rows alone; --list names them
 *     npm run faults -- --write FILE     puts the figures into a document's table, between its marks
 */
import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import closeWithGrace from 'close-with-grace';
import { buildService } from './faults/build-service.js';
import { type Cluster, createCluster } from './faults/cluster.js';
import { ROWS } from './faults/rows.js';
import { type Result, runRow } from './faults/run.js';
import { prepareTemplate, type Stage } from './faults/stage.js';
import { countOf, tableOf, writeFigures } from './faults/table.js';

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    only: { type: 'string' },
    list: { type: 'boolean', default: false },
    write: { type: 'string' },
  },
});
const names = values.only?.split(',') ?? ROWS.map(({ name }) => name);
const unknown = names.filter((name) => !ROWS.some((row) => row.name === name));
if (unknown.length > 0) {
  console.error(`There is no row ${unknown.join(', ')}. npm run faults -- --list names them.`);
  process.exit(2);
}
if (values.list) {
  for (const { name, fault } of ROWS) console.log(`${name.padEnd(32)} ${fault}`);
  process.exit(0);
}

/** As a shell tells of Ctrl-C. */
const BROKEN_OFF = 130;

let cluster: Cluster | undefined;
let stage: Stage | undefined;
let cleaning: Promise<void> | undefined;
// Ctrl-C at any time: whatever was started is ended, and nothing else is.
closeWithGrace({ delay: 20_000, logger: false }, async ({ err }) => {
  if (err) console.error(err);
  await cleanUp();
  // Whoever broke it off has not seen it pass.
  process.exit(BROKEN_OFF);
});

const results: Result[] = [];
try {
  await buildService();
  cluster = await createCluster();
  await prepareTemplate(cluster);
  for (const row of ROWS.filter(({ name }) => names.includes(name))) {
    if (cleaning !== undefined) break;
    console.log(`\n${row.name}: ${row.fault}`);
    const result = await runRow(row, cluster, values.short, (made) => {
      stage = made;
    });
    results.push(result);
    console.log(`  ${result.verdict} in ${result.seconds.toFixed(1)} s${result.figure ? `: ${result.figure}` : ''}`);
    for (const fault of result.faults.slice(0, 10)) console.log(`  - ${fault}`);
    if (result.faults.length > 10) console.log(`  - and ${result.faults.length - 10} more`);
  }
} finally {
  await cleanUp();
}

console.log(`\n${tableOf(results)}\n`);
if (values.write !== undefined) {
  const machine = `${availableParallelism()} cores, Node ${process.versions.node}; service, Postgres and clients on one machine`;
  const where = `${values.short ? 'Short form' : 'Full form'}; ${machine}.`;
  const document = await readFile(values.write, 'utf8');
  const order = ROWS.map(({ name }) => name);
  await writeFile(values.write, writeFigures(document, where, results, order));
}
console.log(countOf(results));
process.exit(results.some(({ verdict }) => verdict === 'failed') ? 1 : 0);

/** Once, however often it is asked for: at the end, and when somebody has had enough. */
function cleanUp(): Promise<void> {
  cleaning ??= (async () => {
    await cluster?.signal('SIGCONT');
    await stage?.close().catch(() => {});
    await cluster?.remove();
  })();
  return cleaning;
}
