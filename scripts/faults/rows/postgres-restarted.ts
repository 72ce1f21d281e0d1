import { setTimeout as pause } from 'node:timers/promises';
import { me } from '../ask.js';
import { countStatuses, startLoad } from '../load.js';
import { freshPerson, register } from '../people.js';
import { createFaults, type Row } from '../row.js';
import { until } from '../until.js';
import { readRefreshToken } from '../witness.js';

const SUCCESS_WITHIN_MS = 2_000;
const HEARD_WITHIN_MS = 1_000;

export const postgresRestarted: Row = {
  name: 'postgres-restarted',
  fault: 'Postgres restarted (`immediate`) under load',
  right:
    '503 with `Retry-After`, no 500, nobody signed out; first success ≤ 2 s after Postgres lets somebody in; the listener heals',
  async run(stage) {
    const { faults, hold } = createFaults();
    const [one, other] = await stage.startTwo();
    const urls = [one.url, other.url];
    const load = await startLoad(stage, urls, { clients: 20, pauseMs: 10 });
    const restarts = stage.isShort ? 2 : 8;
    const waits: number[] = [];
    for (let restart = 0; restart < restarts; restart += 1) {
      await pause(1_000);
      await stage.cluster.stopAtOnce();
      await pause(500);
      const startedAt = performance.now();
      const [accepting] = await Promise.all([
        stage.cluster.accepts().then(() => performance.now()),
        stage.cluster.start(),
      ]);
      for (const url of urls) {
        const rotated = () =>
          load.answers.find(
            (answer) =>
              answer.url === url && answer.at > startedAt && answer.kind === 'refresh' && answer.status === 200,
          );
        const { result } = await until('the first success', rotated, { within: 20_000 });
        waits.push(Math.max(0, result.at - accepting));
      }
    }
    const hearing = await heardOn(stage, one.url, other.url);
    faults.push(...(await load.stop()));
    const slowest = Math.max(...waits);
    hold(
      slowest <= SUCCESS_WITHIN_MS,
      `the first success came ${slowest.toFixed(0)} ms after Postgres let somebody in`,
    );
    hold(hearing <= HEARD_WITHIN_MS, `an ending was heard after ${hearing.toFixed(0)} ms, when all was over`);
    const figure = `${restarts} restarts, ${load.answers.length} requests (${countStatuses(load.answers)}); first success after ≤ ${slowest.toFixed(0)} ms; an ending heard in ${hearing.toFixed(0)} ms`;
    return { figure, faults };
  },
};

/** How long it takes until an ending in plain SQL is known to both instances, once they listen again. */
async function heardOn(stage: Parameters<Row['run']>[0], ...urls: string[]): Promise<number> {
  const [url = ''] = urls;
  const listeners = async () => {
    const [row] = await stage.sql<{ count: number }>(
      "SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'gatehouse listener'",
    );
    return row?.count === urls.length;
  };
  await until('both instances listen again', listeners, { within: 20_000 });
  const { accessToken = '', refreshToken = '' } = stage.witness.heard(await register(url, freshPerson()));
  const { sessionId } = readRefreshToken(refreshToken);
  stage.witness.mayEnd(sessionId, 'disabled');
  await stage.sql("UPDATE sessions SET ended_at = now(), end_reason = 'disabled' WHERE id = $1", [sessionId]);
  const refusedByAll = async () => {
    const answers = await Promise.all(urls.map((each) => me(each, accessToken)));
    return answers.every(({ status }) => status === 401);
  };
  return (await until('refused by both', refusedByAll, { within: 10_000 })).milliseconds;
}
