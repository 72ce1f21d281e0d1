import { me, refresh } from '../ask.js';
import { createFaults, type Row } from '../row.js';
import { expectOneEvent, rotate } from './replay.js';

export const restartThenReplay: Row = {
  name: 'restart-then-replay',
  fault: 'everything is restarted, then an old token is replayed; and what had ended is tried again',
  right: 'still reuse; what had ended stays refused from the first request on',
  async run(stage) {
    const { faults, hold } = createFaults();
    const count = stage.isShort ? 20 : 100;
    const before = await stage.startTwo();
    const people = await stage.seed(2 * count);
    const held = new Map(
      await Promise.all(people.map(async (person) => [person, await rotate(stage, before[0], person, 1)] as const)),
    );
    const ended = people.slice(0, count);
    for (const { sessionId } of ended) {
      stage.witness.mayEnd(sessionId, 'disabled');
      await stage.sql("UPDATE sessions SET ended_at = now(), end_reason = 'disabled' WHERE id = $1", [sessionId]);
      stage.witness.hasEnded(sessionId);
    }
    await Promise.all(before.map((instance) => instance.end('SIGTERM')));
    await stage.cluster.stopAtOnce();
    await stage.cluster.start();
    const after = await stage.startTwo();

    let refused = 0;
    for (const [index, person] of ended.entries()) {
      const { url } = after[index % 2 === 0 ? 0 : 1];
      const access = await me(url, held.get(person)?.accessToken ?? '');
      const newest = await refresh(url, held.get(person)?.refreshToken ?? '');
      if (access.status === 401 && newest.status === 401) refused += 1;
    }
    hold(refused === count, `${count - refused} ended sessions were let in again`);
    let reuses = 0;
    for (const [index, { sessionId, refreshToken }] of people.slice(count).entries()) {
      stage.witness.mayEnd(sessionId, 'reuse_detected');
      const { code } = await refresh(after[index % 2 === 0 ? 0 : 1].url, refreshToken);
      if (code === 'refresh_token_reused') reuses += 1;
      await expectOneEvent(stage, sessionId, faults);
    }
    hold(reuses === count, `${count - reuses} replays were not taken for reuse`);
    return {
      figure: `${reuses} of ${count} replays are reuse; ${refused} of ${count} ended ones stay refused`,
      faults,
    };
  },
};
