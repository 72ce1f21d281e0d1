/**
 * `npm run soak`: 20,000 sessions at half of what two instances can do, for 20 minutes, while instances and Postgres are
 * restarted at random. Nobody may be signed out, memory must stay flat, and connections must not leak (docs/tests.md).
 *
 *     npm run soak -- --minutes 20 --sessions 20000
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import closeWithGrace from 'close-with-grace';
import { buildService } from './faults/build-service.js';
import { type Cluster, createCluster } from './faults/cluster.js';
import type { Instance } from './faults/instance.js';
import { checkInvariants } from './faults/invariants.js';
import { createStage, prepareTemplate, type Stage } from './faults/stage.js';
import { createCrowd } from './soak/crowd.js';
import { residentMb, type Sample, trendOf } from './soak/samples.js';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '20' }, sessions: { type: 'string', default: '20000' } },
});
const seconds = Number(values.minutes) * 60;
const sessionCount = Number(values.sessions);
if (!(seconds > 0 && sessionCount >= 20)) {
  console.error('Give --minutes above 0 and --sessions of 20 or more.');
  process.exit(2);
}

const POOL_SIZE = 10;
/** Two instances with their pools and listeners; while one is replaced, what it held may not be gone yet. */
const MAX_CONNECTIONS = 3 * (POOL_SIZE + 1);
const SESSIONS_PER_PERSON = 20;
const SAMPLE_EVERY_MS = 2_000;
const GROWTH = 1.2;

let cluster: Cluster | undefined;
let stage: Stage | undefined;
closeWithGrace({ delay: 20_000, logger: false }, async ({ err }) => {
  if (err) console.error(err);
  await cleanUp();
  // Whoever broke it off has not seen it pass.
  process.exit(130);
});

const faults: string[] = [];
try {
  await buildService();
  cluster = await createCluster();
  await prepareTemplate(cluster);
  stage = await createStage(cluster, { isShort: false });
  faults.push(...(await soak(stage)));
} finally {
  await cleanUp();
}
for (const fault of faults) console.log(`- ${fault}`);
console.log(`${faults.length === 0 ? 1 : 0} passed, ${faults.length === 0 ? 0 : 1} failed, 0 skipped`);
process.exit(faults.length === 0 ? 0 : 1);

async function soak(on: Stage): Promise<string[]> {
  const [steady, replaced] = await on.startTwo({ DATABASE_POOL_SIZE: String(POOL_SIZE) });
  const running: { steady: Instance; other: Instance | undefined } = { steady, other: replaced };
  const tokens: string[] = [];
  while (tokens.length < sessionCount) {
    for (const { refreshToken } of await on.seed(SESSIONS_PER_PERSON)) tokens.push(refreshToken);
  }
  const urls = () => [running.steady.url, ...(running.other ? [running.other.url] : [])];
  const crowd = createCrowd(on, tokens, urls);

  const capacity = await crowd.rush(64, Math.min(15, seconds / 10));
  console.log(
    `Two instances answer ${capacity.toFixed(0)} requests a second; half of that for ${values.minutes} minutes.`,
  );
  const until = performance.now() + seconds * 1000;
  const samples: Sample[] = [];
  const [restarts] = await Promise.all([
    restartAtRandom(on, running, until),
    takeSamples(on, steady, until, samples),
    crowd.walk(capacity / 2, seconds),
  ]);

  const { right, later, lost, signedOut, wrong } = crowd.counts;
  const trend = trendOf(samples);
  const connections = Math.max(...samples.map((sample) => sample.connections));
  console.log(`${right} answered well, ${later} told to come later, ${lost} lost; ${restarts}.`);
  console.log(
    `Memory of the instance that ran all the time: ${trend.earlier.toFixed(0)} MB in the second quarter, ${trend.later.toFixed(0)} MB in the last; ${trend.slope.toFixed(1)} MB an hour over the second half.`,
  );
  console.log(`At most ${connections} connections to Postgres.`);
  const [ended] = await on.sql<{ count: number }>('SELECT count(*)::int FROM sessions WHERE ended_at IS NOT NULL');
  return [
    ...(signedOut.length > 0
      ? [`${signedOut.length} people were signed out: ${[...new Set(signedOut)].join(', ')}`]
      : []),
    ...(wrong.length > 0 ? [`${wrong.length} answers were wrong: ${[...new Set(wrong)].join(', ')}`] : []),
    ...(ended?.count ? [`${ended.count} sessions ended that nobody ended`] : []),
    ...(trend.later > trend.earlier * GROWTH ? ['memory grew'] : []),
    ...(connections > MAX_CONNECTIONS ? [`${connections} connections, more than ${MAX_CONNECTIONS}`] : []),
    ...(await checkInvariants(on)),
  ];
}

async function takeSamples(on: Stage, steady: Instance, until: number, samples: Sample[]): Promise<void> {
  const startedAt = performance.now();
  while (performance.now() < until) {
    await pause(SAMPLE_EVERY_MS);
    const rows = await on
      .sql<{ count: number }>(
        "SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'gatehouse%'",
      )
      .catch(() => []);
    samples.push({
      seconds: (performance.now() - startedAt) / 1000,
      residentMb: await residentMb(steady.pid ?? 0),
      connections: rows[0]?.count ?? 0,
    });
  }
}

/** Every half to whole minute, in a short run sooner. */
async function restartAtRandom(on: Stage, running: { other: Instance | undefined }, until: number): Promise<string> {
  const counts = { stopped: 0, killed: 0, 'Postgres crashed': 0 };
  const between = Math.min(30_000, seconds * 100);
  while (performance.now() + between * 2 < until) {
    await pause(between * (1 + Math.random()));
    const kind = (['stopped', 'killed', 'Postgres crashed'] as const)[Math.floor(Math.random() * 3)] ?? 'stopped';
    counts[kind] += 1;
    if (kind === 'Postgres crashed') {
      await on.cluster.stopAtOnce();
      await pause(500);
      await on.cluster.start();
      continue;
    }
    const ended = running.other;
    running.other = undefined;
    await ended?.end(kind === 'killed' ? 'SIGKILL' : 'SIGTERM');
    running.other = await on.start({ DATABASE_POOL_SIZE: String(POOL_SIZE) });
  }
  return Object.entries(counts)
    .map(([what, count]) => (what.startsWith('P') ? `${what} ${count} times` : `an instance ${what} ${count} times`))
    .join(', ');
}

async function cleanUp(): Promise<void> {
  const [openStage, openCluster] = [stage, cluster];
  stage = undefined;
  cluster = undefined;
  await openCluster?.signal('SIGCONT');
  await openStage?.close().catch(() => {});
  await openCluster?.remove();
}
