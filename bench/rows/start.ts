import { spawn } from 'node:child_process';
import { request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { findFreePort } from '../../scripts/embedded-postgres.js';
import { median } from '../interleave.js';
import { on, residentMegabytes } from '../machine.js';
import { atMost, type Row } from '../row.js';
import { ROOT, serviceSettings } from '../stage.js';

const GIVE_UP_MS = 20_000;

export const start: Row = {
  name: 'start',
  title: 'Start on a migrated database',
  targets: { 'ready after': atMost(600, 'ms'), 'resident when idle': atMost(130, 'MB') },
  async measure({ cores, database, effort, secret }) {
    if (process.platform !== 'linux') return { skipped: 'what a process holds is read from /proc' };
    const { url } = await database({ people: 1, sessions: 1 });
    const milliseconds: number[] = [];
    const megabytes: number[] = [];
    for (let round = 0; round < effort.rounds + 1; round += 1) {
      const port = await findFreePort();
      const startedAt = performance.now();
      const child = spawn(...on(cores?.all, [process.execPath, 'dist/server.js']), {
        cwd: ROOT,
        env: { PATH: process.env.PATH, ...serviceSettings(secret, url), PORT: String(port) },
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      const ended = new Promise((resolve) => child.once('close', resolve));
      try {
        await ready(port);
        milliseconds.push(performance.now() - startedAt);
        await pause(effort.seconds * 1_000);
        megabytes.push(residentMegabytes(child.pid ?? 0) ?? Number.NaN);
      } finally {
        child.kill('SIGTERM');
        await ended;
      }
    }
    // The first one made the signing key, and found no file in memory.
    const [times, sizes] = [milliseconds.slice(1), megabytes.slice(1)];
    return {
      'ready after': { value: median(times), rounds: times, details: { first_ms: milliseconds[0] ?? 0 } },
      'resident when idle': { value: median(sizes), rounds: sizes, details: {} },
    };
  },
};

async function ready(port: number): Promise<void> {
  const until = performance.now() + GIVE_UP_MS;
  while (performance.now() < until) {
    if ((await statusOf(port)) === 200) return;
    await pause(2);
  }
  throw new Error('The service did not become ready.');
}

function statusOf(port: number): Promise<number> {
  return new Promise((resolve) => {
    request({ host: '127.0.0.1', port, path: '/readyz', agent: false }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    })
      .once('error', () => resolve(0))
      .end();
  });
}
