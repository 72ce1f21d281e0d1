import { ask } from '../ask.js';
import { freshPerson, register } from '../people.js';
import { createFaults, type Row } from '../row.js';
import { until } from '../until.js';

const READY_WITHIN_MS = 2_000;
/** As long as a process takes to start on a busy machine; it must not wait for the database first. */
const REFUSED_WITHIN_MS = 10_000;
const EXIT_CONFIG = 78;

export const postgresDownAtStart: Row = {
  name: 'postgres-down-at-start',
  fault: 'Postgres is down when the service starts',
  right:
    'live, not ready, tries again; ready ≤ 2 s after Postgres is up; a bad configuration ends it at once all the same',
  async run(stage) {
    const { faults, hold } = createFaults();
    const rounds = stage.isShort ? 2 : 5;
    const waits: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      await stage.cluster.stopAtOnce();
      const startedAt = performance.now();
      const misconfigured = await stage.start({ APP_SECRETS: 'too short' }, { listening: false });
      const code = await misconfigured.exit;
      await misconfigured.end('SIGTERM');
      hold(code === EXIT_CONFIG, `a bad configuration ended with ${code}`);
      const milliseconds = performance.now() - startedAt;
      hold(milliseconds < REFUSED_WITHIN_MS, `a bad configuration took ${milliseconds.toFixed(0)} ms to end`);

      const instance = await stage.start();
      const alive = await ask(instance.url, { path: '/livez' });
      hold(alive.status === 200, `/livez answered ${alive.status} while Postgres was down`);
      const notReady = await ask(instance.url, { path: '/readyz' });
      hold(notReady.status === 503, `/readyz answered ${notReady.status} while Postgres was down`);
      const early = stage.witness.heard(await register(instance.url, freshPerson()));
      hold(early.status === 503 && early.code === 'unavailable', `register was answered ${early.status} ${early.code}`);
      hold(Number(early.headers['retry-after']) > 0, 'a 503 had no Retry-After');

      const [acceptedAt] = await Promise.all([
        stage.cluster.accepts().then(() => performance.now()),
        stage.cluster.start(),
      ]);
      const ready = async () => (await ask(instance.url, { path: '/readyz' })).status === 200;
      await until('the service is ready', ready, { within: 30_000, every: 20 });
      waits.push(Math.max(0, performance.now() - acceptedAt));
      const later = stage.witness.heard(await register(instance.url, freshPerson()));
      hold(later.status === 201, `register was answered ${later.status} when all was well again`);
      if (round < rounds - 1) await instance.end('SIGTERM');
    }
    const slowest = Math.max(...waits);
    hold(slowest <= READY_WITHIN_MS, `ready only ${slowest.toFixed(0)} ms after Postgres was up`);
    return { figure: `${rounds} starts; ready ≤ ${slowest.toFixed(0)} ms after Postgres was up`, faults };
  },
};
