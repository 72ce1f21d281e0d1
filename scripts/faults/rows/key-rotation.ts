import { Agent } from 'node:http';
import { type Answer, me, refresh } from '../ask.js';
import { countStatuses } from '../load.js';
import { createFaults, inTurns, type Row } from '../row.js';

const PEOPLE = 50;

export const keyRotationUnderTraffic: Row = {
  name: 'key-rotation-under-traffic',
  fault: 'signing keys are rotated under traffic',
  right: 'publish, sign, retire: nobody is answered 401',
  async run(stage) {
    const { faults, hold } = createFaults();
    const instances = await stage.startTwo();
    const agent = new Agent({ keepAlive: true });
    const total = stage.isShort ? 4_000 : 10_000;
    const rotations = stage.isShort ? 3 : 6;
    const answers: Answer[] = [];
    let asked = 0;
    let rotated = 0;

    const rotating = (async () => {
      while (rotated < rotations) {
        await stage.command('keys', 'rotate', '--now');
        rotated += 1;
      }
    })();
    await inTurns(await stage.seed(PEOPLE), PEOPLE, async (person) => {
      let { refreshToken } = person;
      let turn = 0;
      // As long as keys are rotated, and until it is enough.
      while (asked < total || rotated < rotations) {
        const [one, other] = turn % 2 === 0 ? instances : [instances[1], instances[0]];
        const refreshed = stage.witness.heard(await refresh(one.url, refreshToken, agent));
        refreshToken = refreshed.refreshToken ?? refreshToken;
        // At the other instance at once: it may not have heard of the key yet.
        const read = [other.url, one.url].map((url) => me(url, refreshed.accessToken ?? '', agent));
        answers.push(refreshed, ...(await Promise.all(read)));
        asked += 3;
        turn += 1;
      }
    });
    await rotating;
    agent.destroy();
    const refused = answers.filter(({ status }) => status !== 200);
    hold(refused.length === 0, `answers that were not 200: ${countStatuses(refused)} ${refused[0]?.code ?? ''}`);
    const keys = JSON.parse(await stage.command('keys', 'list', '--json')) as { status: string }[];
    const retired = keys.filter(({ status }) => status === 'retired').length;
    hold(retired >= rotations, `${retired} keys were retired in ${rotations} rotations`);
    const unauthorized = answers.filter(({ status }) => status === 401).length;
    return { figure: `${unauthorized} of ${answers.length} answered 401, through ${rotated} rotations`, faults };
  },
};
