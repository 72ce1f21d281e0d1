import { type Answer, refresh } from '../ask.js';
import { createFaults, type Row } from '../row.js';
import type { Stage } from '../stage.js';
import { until } from '../until.js';
import { anHourPasses, generationOf } from './killed-mid-refresh.js';

/** The app, or its connection, is gone before the answer arrives. */
export const answerCutBeforeClient: Row = {
  name: 'answer-cut-before-client',
  fault: 'answer lost after commit: the connection of the app is cut, or the app is killed',
  right: 'the retry gets the same successor, byte for byte, also an hour later',
  async run(stage) {
    const { faults, hold } = createFaults();
    const total = stage.isShort ? 60 : 200;
    const [one, other] = await stage.startTwo();
    const proxy = await stage.startProxy(one.url);
    const appUrl = `http://127.0.0.1:${proxy.port}`;
    let good = 0;
    for (const [index, { sessionId, refreshToken }] of (await stage.seed(total)).entries()) {
      const caught = proxy.set({ what: 'withholdAnswer', take: (piece) => piece.includes('/v1/auth/refresh') });
      const asked = refresh(appUrl, refreshToken);
      const { result: lost } = await until('the request arrives', () => caught[0], { within: 5_000 });
      const swallowed = await lost.answer;
      proxy.release();
      lost.cut();
      hold((await asked).status === 0, 'the answer was not lost: the proxy let it pass');
      const [, promised] = /refresh_token=([^;]+)/.exec(swallowed) ?? [];
      if (index % 2 === 1) await anHourPasses(stage, [sessionId]);
      const retried = stage.witness.heard(await refresh(index % 4 < 2 ? other.url : one.url, refreshToken));
      if (retried.status === 200 && retried.refreshToken === promised) good += 1;
      else faults.push(`the retry was answered ${retried.status} ${retried.code ?? ''}, or with another token`);
    }
    return { figure: `${good} of ${total}: the same successor, half of them an hour later`, faults };
  },
};

/** Postgres has committed, and the service never hears it: it must not tell the client that nothing happened. */
export const answerCutBeforeService: Row = {
  name: 'answer-cut-before-service',
  fault: 'answer lost after commit: the connection between Postgres and the service is cut',
  right: 'the retry gets the same successor, also an hour later; nothing but 200 and 503 meanwhile',
  async run(stage) {
    const { faults, hold } = createFaults();
    const total = stage.isShort ? 60 : 200;
    const proxy = await stage.startProxy(stage.databaseUrl);
    const one = await stage.start({ DATABASE_URL: proxy.url, DATABASE_DIRECT_URL: stage.databaseUrl });
    const other = await stage.start();
    const meanwhile: Answer[] = [];
    let good = 0;
    for (const [index, { sessionId, refreshToken }] of (await stage.seed(total)).entries()) {
      const caught = proxy.set({ what: 'withholdAnswer', take: (piece) => piece.includes(sessionId) });
      const asked = refresh(one.url, refreshToken);
      const { result: lost } = await until('the statement passes', () => caught[0], { within: 5_000 });
      await lost.answer;
      proxy.release();
      lost.cut();
      meanwhile.push(stage.witness.heard(await asked));
      hold((await generationInDatabase(stage, sessionId)) === 2, 'the statement was not committed: the test is wrong');
      if (index % 2 === 1) await anHourPasses(stage, [sessionId]);
      const retried = stage.witness.heard(await refresh(index % 4 < 2 ? other.url : one.url, refreshToken));
      if (retried.status === 200 && generationOf(retried) === 2) good += 1;
      else faults.push(`the retry was answered ${retried.status} ${retried.code ?? ''}`);
    }
    const wrong = meanwhile.filter(({ status }) => status !== 200 && status !== 503);
    hold(wrong.length === 0, `${wrong.length} requests whose statement was cut were answered ${wrong[0]?.status}`);
    const answered = meanwhile.filter(({ status }) => status === 200).length;
    return {
      figure: `${good} of ${total}: the same successor, half of them an hour later; ${answered} answered 200 at once, the rest 503`,
      faults,
    };
  },
};

async function generationInDatabase({ sql }: Stage, sessionId: string): Promise<number | undefined> {
  const [row] = await sql<{ generation: number }>('SELECT generation FROM sessions WHERE id = $1', [sessionId]);
  return row?.generation;
}
