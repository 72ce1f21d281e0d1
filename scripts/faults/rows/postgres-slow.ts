import { countStatuses, type LoadAnswer, startLoad, watchLiveness } from '../load.js';
import { createFaults, type Row } from '../row.js';
import { until } from '../until.js';

const ANSWER_WITHIN_MS = 3_000;
/** In each direction: a little, a lot, and more than any deadline. */
const DELAYS_MS = [50, 400, 2_500];

export const postgresSlow: Row = {
  name: 'postgres-slow',
  fault: 'Postgres is slow: 0.1 s, 0.8 s and 5 s there and back',
  right:
    'every answer ≤ 3 s, `/livez` < 100 ms (short form: < 400 ms); served as long as that is in time, else 503; heals',
  async run(stage) {
    const { faults, hold } = createFaults();
    const proxy = await stage.startProxy(stage.databaseUrl);
    const one = await stage.start({ DATABASE_URL: proxy.url });
    const load = await startLoad(stage, [one.url], { clients: 8, pauseMs: 20 });
    const stopWatching = watchLiveness(one.url, stage.isShort);
    const since = (from: number) => load.answers.filter(({ at, milliseconds }) => at - milliseconds > from);
    const rotated = (answers: LoadAnswer[]) => answers.find(({ kind, status }) => kind === 'refresh' && status === 200);
    const slowest: string[] = [];
    for (const delay of DELAYS_MS) {
      const from = performance.now();
      proxy.delay(delay);
      const enough = stage.isShort ? 30 : 80;
      await until('answers', () => since(from).length >= enough, { within: 60_000, every: 50 });
      const answers = since(from);
      const milliseconds = Math.max(...answers.map((answer) => answer.milliseconds));
      hold(milliseconds <= ANSWER_WITHIN_MS, `an answer took ${milliseconds.toFixed(0)} ms with ${delay} ms each way`);
      if (delay < 100) hold(rotated(answers) !== undefined, `nothing was refreshed with ${delay} ms each way`);
      slowest.push(`${2 * delay} ms: ${milliseconds.toFixed(0)} ms`);
    }
    proxy.delay(0);
    const healedFrom = performance.now();
    const healed = await until('refreshes succeed again', () => rotated(since(healedFrom)), { within: 20_000 });
    faults.push(...(await load.stop()));
    const alive = await stopWatching();
    faults.push(...alive.faults);
    const lost = load.answers.filter(({ status }) => status === 0).length;
    hold(lost === 0, `${lost} requests were not answered at all`);
    const figure = `slowest answers at ${slowest.join(', ')} (${countStatuses(load.answers)}); \`/livez\` p99 ${alive.p99.toFixed(0)} ms; healed in ${healed.milliseconds.toFixed(0)} ms`;
    return { figure, faults };
  },
};
