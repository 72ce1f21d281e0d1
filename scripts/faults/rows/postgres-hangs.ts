import { setTimeout as pause } from 'node:timers/promises';
import { type Answer, ask, logOut, refresh } from '../ask.js';
import { countStatuses, startLoad, watchLiveness } from '../load.js';
import { freshPerson, logIn, register } from '../people.js';
import { createFaults, type Row } from '../row.js';
import type { Seeded, Stage } from '../stage.js';
import { until } from '../until.js';

const ANSWER_WITHIN_MS = 3_000;

export const postgresHangs: Row = {
  name: 'postgres-hangs',
  fault: 'Postgres hangs (SIGSTOP to all of its processes)',
  right:
    'every answer ≤ 3 s, `/livez` < 100 ms (short form: < 400 ms); 503, and never a logout that was not committed; heals',
  async run(stage) {
    const { faults, hold } = createFaults();
    const [one, other] = await stage.startTwo();
    const load = await startLoad(stage, [one.url, other.url], { clients: 10, pauseMs: 20 });
    await until('the load runs', () => load.answers.length > 100, { within: 20_000 });
    const stopWatching = watchLiveness(one.url, stage.isShort);
    const people = await stage.seed(stage.isShort ? 20 : 60);
    const known = freshPerson();
    await register(one.url, known).then(stage.witness.heard);
    let asked: Answer[] = [];
    await stage.cluster.signal('SIGSTOP');
    const hungAt = performance.now();
    try {
      asked = await askEverything(stage, [one.url, other.url], people, known);
      // Longer than any single deadline, so that what comes later is refused as well.
      await pause(stage.isShort ? 1_000 : 10_000);
      asked.push(...(await askEverything(stage, [one.url, other.url], people.slice(0, 10), known)));
    } finally {
      await stage.cluster.signal('SIGCONT');
    }
    const resumedAt = performance.now();
    const rotated = () =>
      load.answers.find(
        ({ at, milliseconds, kind, status }) => at - milliseconds > resumedAt && kind === 'refresh' && status === 200,
      );
    await until('refreshes succeed again', rotated, { within: 20_000 });
    faults.push(...(await load.stop()));
    const alive = await stopWatching();
    faults.push(...alive.faults);

    const hung = [...asked, ...load.answers.filter(({ at }) => at > hungAt)];
    const slowest = Math.max(...hung.map(({ milliseconds }) => milliseconds));
    hold(slowest <= ANSWER_WITHIN_MS, `an answer took ${slowest.toFixed(0)} ms`);
    const lost = hung.filter(({ status }) => status === 0);
    hold(lost.length === 0, `${lost.length} requests were not answered at all (${lost[0]?.broke})`);
    const wrong = asked.filter(({ status, headers }) => status !== 503 || !(Number(headers['retry-after']) > 0));
    hold(wrong.length === 0, `${wrong.length} answers were not 503 with Retry-After: ${countStatuses(wrong)}`);
    const figure = `${hung.length} answers while it hung, the slowest ${slowest.toFixed(0)} ms; \`/livez\` p99 ${alive.p99.toFixed(0)} ms`;
    return { figure, faults };
  },
};

type Person = ReturnType<typeof freshPerson>;

/** One of each kind that needs the database, for each person, at once. */
async function askEverything(
  stage: Stage,
  urls: string[],
  people: readonly Seeded[],
  known: Person,
): Promise<Answer[]> {
  const answers = await Promise.all(
    people.map(async ({ sessionId, refreshToken }, index) => {
      const url = urls[index % urls.length] ?? '';
      const kinds = [
        () => refresh(url, refreshToken),
        () => {
          stage.witness.mayEnd(sessionId, 'logout');
          return logOut(url, refreshToken);
        },
        () => register(url, freshPerson()),
        () => logIn(url, known),
        () => ask(url, { method: 'POST', path: '/v1/auth/login', body: { ...known, password: 'not the password' } }),
      ];
      const kind = kinds[index % kinds.length];
      return kind === undefined ? [] : [stage.witness.heard(await kind())];
    }),
  );
  return answers.flat();
}
