import { Agent } from 'node:http';
import { percentile, refresh } from '../ask.js';
import { createFaults, inTurns, type Row } from '../row.js';

export const twoInstancesOneToken: Row = {
  name: 'two-instances-one-token',
  fault: 'two instances are given one token at once',
  right: 'one rotation, the same successor for both',
  async run(stage) {
    const { faults, hold } = createFaults();
    const [one, other] = await stage.startTwo();
    const agent = new Agent({ keepAlive: true });
    const rounds = stage.isShort ? 300 : 1_000;
    const times: number[] = [];
    let forks = 0;
    await inTurns(await stage.seed(rounds), 4, async ({ refreshToken }) => {
      const answers = await Promise.all([one, other].map(({ url }) => refresh(url, refreshToken, agent)));
      for (const answer of answers) {
        stage.witness.heard(answer);
        times.push(answer.milliseconds);
        hold(answer.status === 200, `a refresh was answered ${answer.status} ${answer.code ?? answer.broke ?? ''}`);
      }
      if (new Set(answers.map((answer) => answer.refreshToken)).size > 1) forks += 1;
    });
    const moved = await stage.sql<{ count: number }>('SELECT count(*)::int FROM sessions WHERE generation <> 2');
    hold(forks === 0, `${forks} rounds forked`);
    hold(moved[0]?.count === 0, `${moved[0]?.count} sessions did not move by exactly one generation`);
    agent.destroy();
    return { figure: `${rounds} rounds, ${forks} forks; p99 ${percentile(times, 0.99).toFixed(0)} ms`, faults };
  },
};
