import { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { type Answer, ask, logOut, refresh } from '../ask.js';
import type { Instance } from '../instance.js';
import { type Credentials, freshPerson, PASSWORD, register } from '../people.js';
import { createFaults, inTurns, type Row } from '../row.js';
import type { Seeded, Stage } from '../stage.js';
import { deadIn } from './replay.js';

const DEAD_WITHIN_MS = 1_000;
const AT_ONCE = 4;

export const refreshAgainstLogout: Row = {
  name: 'refresh-against-logout',
  fault: 'refresh races logout, on two instances',
  right: 'the end wins: nothing of the session is accepted ≤ 1 s later',
  async run(stage) {
    const race = await createRace(stage);
    const rounds = stage.isShort ? 200 : 1_000;
    await inTurns(await stage.seed(rounds), AT_ONCE, async (person) => {
      stage.witness.mayEnd(person.sessionId, 'logout');
      const ended = () => logOut(race.other.url, person.refreshToken, race.agent);
      await race.run(person, ended, 204);
    });
    return race.outcome(rounds);
  },
};

export const refreshAgainstPasswordChange: Row = {
  name: 'refresh-against-password-change',
  fault: 'refresh races a change of the password in another session, on two instances',
  right: 'the end wins: nothing of the other session is accepted ≤ 1 s later; the caller stays signed in',
  async run(stage) {
    const race = await createRace(stage);
    const rounds = stage.isShort ? 100 : 1_000;
    const people = Array.from({ length: AT_ONCE }, freshPerson);
    await inTurns(people, AT_ONCE, async (person) => {
      const owner = await signUp(stage, race.one, person);
      let { accessToken } = owner;
      let password = PASSWORD;
      for (let round = 0; round < rounds / AT_ONCE; round += 1) {
        // Each change ends all there are, so that there must be a new one for each.
        const [session] = await stage.seed(1, owner.userId);
        if (session === undefined) throw new Error('No session was opened.');
        stage.witness.mayEnd(session.sessionId, 'password_changed');
        const changed = async () => {
          const next = password === PASSWORD ? 'another horse, another battery' : PASSWORD;
          const body = { current_password: password, new_password: next };
          const answer = await ask(race.other.url, {
            method: 'POST',
            path: '/v1/auth/password/change',
            body,
            accessToken,
          });
          if (answer.status === 200) password = next;
          accessToken = answer.accessToken ?? accessToken;
          return stage.witness.heard(answer);
        };
        await race.run(session, changed, 200);
      }
    });
    return race.outcome(rounds);
  },
};

/** A refresh at one instance and what ends the session at the other, in one moment; then everything is tried. */
async function createRace(stage: Stage) {
  const { faults, hold } = createFaults();
  const [one, other] = await stage.startTwo();
  const agent = new Agent({ keepAlive: true });
  const times: number[] = [];
  let refreshed = 0;
  let survivors = 0;
  /** How long it takes to end a session. */
  let usualMs = 0;

  return {
    one,
    other,
    agent,
    async run({ sessionId, refreshToken }: Seeded, end: () => Promise<Answer>, ended: number): Promise<void> {
      // An access token of before the race.
      const before = stage.witness.heard(await refresh(one.url, refreshToken, agent));
      const held = before.refreshToken ?? '';
      if (
        !hold(
          before.status === 200,
          `the refresh before the race was answered ${before.status} ${before.code ?? before.broke ?? ''}`,
        )
      )
        return;
      // At some moment while the end is under way, and now and then just after it.
      const meanwhile = pause(Math.random() * 1.2 * usualMs).then(() => refresh(one.url, held, agent));
      const [rotated, over] = await Promise.all([meanwhile, end()]);
      usualMs = 0.8 * usualMs + 0.2 * over.milliseconds;
      const endedAt = performance.now();
      stage.witness.heard(rotated);
      if (!hold(over.status === ended, `the end was answered ${over.status} ${over.code ?? ''}`)) return;
      stage.witness.hasEnded(sessionId);
      if (rotated.status === 200) refreshed += 1;
      else hold(rotated.status === 401, `the refresh was answered ${rotated.status} ${rotated.code ?? ''}`);
      const accessTokens = [rotated.accessToken, before.accessToken].filter((token) => token !== undefined);
      const refused = [one, other].flatMap(({ url }) => accessTokens.map((token) => deadIn(url, token)));
      await Promise.all(refused);
      times.push(performance.now() - endedAt);
      for (const { url } of [one, other]) {
        for (const token of [rotated.refreshToken, held]) {
          if (token !== undefined && (await refresh(url, token, agent)).status !== 401) survivors += 1;
        }
      }
    },
    outcome(rounds: number) {
      const slowest = Math.max(...times);
      hold(survivors === 0, `${survivors} refresh tokens survived`);
      hold(slowest <= DEAD_WITHIN_MS, `something of an ended session was accepted for up to ${slowest.toFixed(0)} ms`);
      agent.destroy();
      const figure = `${rounds} rounds, ${survivors} survivors; the refresh came first in ${refreshed} of them; all refused within ≤ ${slowest.toFixed(0)} ms`;
      return { figure, faults };
    },
  };
}

async function signUp(stage: Stage, { url }: Instance, person: Credentials) {
  const answer = stage.witness.heard(await register(url, person));
  const [, userId = ''] = /"user":\{"id":"([^"]+)"/.exec(answer.text) ?? [];
  return { accessToken: answer.accessToken ?? '', userId };
}
