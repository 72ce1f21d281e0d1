import { logOut } from '../ask.js';
import { createFaults, type Row } from '../row.js';
import type { Stage } from '../stage.js';
import { deadIn, rotate } from './replay.js';

const REPAIRED_WITHIN_MS = 5_000;

export const listenerKilled: Row = {
  name: 'listener-killed',
  fault: 'the listening connection is killed, and cannot come back',
  right: 'the poll repairs: what ended is refused by that instance ≤ 5 s',
  async run(stage) {
    const { faults, hold } = createFaults();
    const proxy = await stage.startProxy(stage.databaseUrl);
    const [hearing, deaf] = await Promise.all([stage.start(), stage.start({ DATABASE_DIRECT_URL: proxy.url })]);
    const rounds = stage.isShort ? 3 : 15;
    const cutOff: number[] = [];
    const killed: number[] = [];
    for (const [index, person] of (await stage.seed(2 * rounds)).entries()) {
      const { accessToken, refreshToken } = await rotate(stage, hearing, person, 1);
      stage.witness.mayEnd(person.sessionId, 'logout');
      const isCutOff = index < rounds;
      if (isCutOff) proxy.cut();
      else proxy.mend();
      await killListeners(stage);
      const { status } = await logOut(hearing.url, refreshToken);
      if (!hold(status === 204, `logout was answered ${status}`)) continue;
      stage.witness.hasEnded(person.sessionId);
      (isCutOff ? cutOff : killed).push(await deadIn(deaf.url, accessToken));
    }
    const slowest = Math.max(...cutOff, ...killed);
    hold(slowest <= REPAIRED_WITHIN_MS, `what had ended was accepted for ${slowest.toFixed(0)} ms`);
    const figure = `refused after ≤ ${Math.max(...cutOff).toFixed(0)} ms where it cannot listen, ≤ ${Math.max(...killed).toFixed(0)} ms where it may come back (${rounds} rounds each)`;
    return { figure, faults };
  },
};

async function killListeners({ sql }: Stage): Promise<void> {
  await sql(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'gatehouse listener'",
  );
}
