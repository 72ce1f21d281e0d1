import { Agent } from 'node:http';
import { refresh } from '../ask.js';
import { createFaults, type Row } from '../row.js';

const PARALLEL = 100;

export const hundredParallelRefreshes: Row = {
  name: 'hundred-parallel-refreshes',
  fault: '100 parallel refreshes with one token',
  right: 'one rotation: one generation, 100 identical cookies, no error',
  async run(stage) {
    const { faults, hold } = createFaults();
    const instances = await stage.startTwo();
    const agent = new Agent({ keepAlive: true });
    const rounds = stage.isShort ? 10 : 50;
    let errors = 0;
    for (const { sessionId, refreshToken } of await stage.seed(rounds)) {
      const asked = Array.from({ length: PARALLEL }, (_, index) =>
        refresh(instances[index % 2 === 0 ? 0 : 1].url, refreshToken, agent),
      );
      const answers = await Promise.all(asked);
      for (const answer of answers) stage.witness.heard(answer);
      errors += answers.filter(({ status }) => status !== 200).length;
      const cookies = new Set(answers.map((answer) => answer.refreshToken));
      hold(cookies.size === 1, `${cookies.size} different cookies came of one token`);
      const [row] = await stage.sql<{ generation: number }>('SELECT generation FROM sessions WHERE id = $1', [
        sessionId,
      ]);
      hold(row?.generation === 2, `the session is at generation ${row?.generation}`);
    }
    hold(errors === 0, `${errors} refreshes were not answered 200`);
    agent.destroy();
    return { figure: `${rounds} rounds of ${PARALLEL}: one generation, identical cookies; ${errors} errors`, faults };
  },
};
