import { FULL } from '/tmp/wt-bench/bench/interleave.js';
import { divideCores, keepTo } from '/tmp/wt-bench/bench/machine.js';
import { openPostgres } from '/tmp/wt-bench/bench/postgres.js';
import { askWithTokens, startGateApp } from '/tmp/wt-bench/bench/rows/gate.js';
import { createStage } from '/tmp/wt-bench/bench/stage.js';

const cores = divideCores();
if (cores) await keepTo(cores.load, process.pid);
const pg = await openPostgres(cores?.postgres);
const { stage, clear } = createStage(FULL, cores, pg);
const { port, tokens } = await startGateApp(stage, ['--cpu-prof', '--cpu-prof-dir=/tmp/gate-prof']);
const path = process.argv[2] ?? '/bench/guarded';
const l = askWithTokens(port, path, tokens);
console.log(await l.run(3));
console.log(await l.run(25));
await clear();
await pg.stop();
process.exit();
