import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, rm, statfs, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { postgresAccount } from '../../embedded-postgres.js';
import type { Cluster } from '../cluster.js';
import { countStatuses, startLoad } from '../load.js';
import { createFaults, type Preparation, type Row } from '../row.js';
import { until } from '../until.js';

const run = promisify(execFile);
const TABLESPACE = 'small_disk';
const FILLER = 'filler';
const DISK_MB = 48;

const diskOf = (cluster: Cluster) => path.join(cluster.folder, 'small-disk');

export const diskFull: Row = {
  name: 'disk-full',
  fault: 'the disk of the tables is full',
  right: '503, no 500, nobody signed out, nothing promised; heals when there is room',
  prepare: mountSmallDisk,
  async run(stage) {
    const { faults, hold } = createFaults();
    const disk = diskOf(stage.cluster);
    const [one, other] = await stage.startTwo();
    const load = await startLoad(stage, [one.url, other.url], { clients: 10, pauseMs: 10, roundsPerSession: 8 });
    await pause(1_000);
    const fullFrom = performance.now();
    await fill(disk);
    const refused = () => load.answers.filter(({ status, kind }) => status === 503 && kind === 'register').length > 0;
    await until('something does not fit', refused, { within: 60_000 });
    await pause(stage.isShort ? 2_000 : 10_000);
    const whileFull = load.answers.filter(({ at }) => at > fullFrom);
    await truncate(path.join(disk, FILLER), 0);
    const roomFrom = performance.now();
    const registered = () =>
      load.answers.find(
        ({ kind, status, at, milliseconds }) => kind === 'register' && status === 201 && at - milliseconds > roomFrom,
      );
    const healed = await until('people can register again', registered, { within: 10_000 });
    faults.push(...(await load.stop()));
    const lost = load.answers.filter(({ status }) => status === 0).length;
    hold(lost === 0, `${lost} requests were not answered at all`);
    const figure = `while full: ${countStatuses(whileFull)}; healed in ${healed.milliseconds.toFixed(0)} ms`;
    return { figure, faults };
  },
};

/** The row's database lies on a disk in memory, which only root may mount. */
async function mountSmallDisk(cluster: Cluster): Promise<Preparation> {
  const disk = diskOf(cluster);
  await mkdir(disk, { recursive: true });
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'tmpfs', disk]);
  } catch {
    return { skipped: 'not permitted here: mounting a disk in memory needs root' };
  }
  const release = async () => {
    await cluster.execute(`DROP TABLESPACE IF EXISTS ${TABLESPACE}`).catch(() => {});
    await run('umount', ['--lazy', disk]);
    await rm(disk, { recursive: true, force: true });
  };
  try {
    await createTablespace(cluster, path.join(disk, 'tables'));
  } catch (error) {
    await release().catch(() => {});
    throw error;
  }
  return { tablespace: TABLESPACE, release };
}

async function createTablespace(cluster: Cluster, folder: string): Promise<void> {
  await mkdir(folder);
  const { uid, gid } = await postgresAccount();
  for (const made of [path.dirname(folder), folder]) {
    await chmod(made, 0o700);
    if (uid !== undefined && gid !== undefined) await chown(made, uid, gid);
  }
  await cluster.execute(`CREATE TABLESPACE ${TABLESPACE} LOCATION '${folder}'`);
}

/** Takes every byte that is left. */
async function fill(disk: string): Promise<void> {
  const { bavail, bsize } = await statfs(disk);
  const chunk = Buffer.alloc(bsize);
  const file = path.join(disk, FILLER);
  await writeFile(file, Buffer.alloc(Math.max(0, (bavail - 16) * bsize)));
  for (;;) {
    try {
      await writeFile(file, chunk, { flag: 'a' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return;
      throw error;
    }
  }
}
