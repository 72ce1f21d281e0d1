import { setTimeout as pause } from 'node:timers/promises';
import { me, refresh } from '../ask.js';
import { fakeTimeLibrary, type Instance } from '../instance.js';
import { freshPerson, register } from '../people.js';
import { createFaults, inTurns, type Row } from '../row.js';
import { until } from '../until.js';
import { rotate } from './replay.js';

const ACCESS_TOKEN_SECONDS = 10;

export const clockSkewed: Row = {
  name: 'clock-skewed',
  fault: 'the clock of one instance is an hour ahead, or behind',
  right: 'lifetimes by the database’s clock: nobody signed out, nothing that ended or expired comes back',
  prepare: async () => (fakeTimeLibrary() === undefined ? { skipped: 'libfaketime is not installed here' } : {}),
  async run(stage) {
    const { faults, hold } = createFaults();
    const count = stage.isShort ? 30 : 200;
    const settings = { ACCESS_TOKEN_SECONDS: String(ACCESS_TOKEN_SECONDS) };
    const [right, ahead, behind] = await Promise.all([
      stage.start(settings),
      stage.start(settings, { clock: '+1h' }),
      stage.start(settings, { clock: '-1h' }),
    ]);
    const instances = [right, ahead, behind];
    const offsets = [hoursOff(ahead), hoursOff(behind)];
    hold(offsets.join() === '1,-1', `the clocks are off by ${offsets.join(' and ')} hours: the test is wrong`);

    // Everyone refreshes here and there, and what one instance issued is good at the others.
    let signedOut = 0;
    await inTurns(await stage.seed(count), 8, async (person) => {
      let { refreshToken } = person;
      for (const { url } of instances) {
        const answer = stage.witness.heard(await refresh(url, refreshToken));
        if (answer.status === 401) signedOut += 1;
        refreshToken = answer.refreshToken ?? refreshToken;
        for (const each of instances) {
          const { status, code } = await me(each.url, answer.accessToken ?? '');
          hold(status === 200, `a fresh access token was answered ${status} ${code ?? ''} by another instance`);
        }
      }
    });
    hold(signedOut === 0, `${signedOut} refreshes were answered 401`);

    // Sessions that are over by the database's clock are over, and those that are not, by a minute, are not.
    const [over, alive] = await Promise.all([stage.seed(6), stage.seed(6)]);
    await shiftIdle(
      over.map(({ sessionId }) => sessionId),
      "- interval '1 minute'",
    );
    await shiftIdle(
      alive.map(({ sessionId }) => sessionId),
      "+ interval '1 minute'",
    );
    for (const [index, { url }] of [...instances, ...instances].entries()) {
      const gone = await refresh(url, over[index]?.refreshToken ?? '');
      hold(gone.code === 'session_expired', `an expired session was answered ${gone.status} ${gone.code ?? ''}`);
      const here = stage.witness.heard(await refresh(url, alive[index]?.refreshToken ?? ''));
      hold(here.status === 200, `a session with a minute left was answered ${here.status} ${here.code ?? ''}`);
    }

    // Grace is by the database's clock as well: within it a parallel tab is let in, whichever instance it asks.
    for (const { url } of instances) {
      const [person] = await stage.seed(1);
      if (person === undefined) continue;
      const { refreshToken } = stage.witness.heard(await refresh(right.url, person.refreshToken));
      const tab = stage.witness.heard(await refresh(url, person.refreshToken));
      hold(tab.refreshToken === refreshToken, `a parallel tab was answered ${tab.status} ${tab.code ?? ''}`);
    }

    // Access tokens die when they should, everywhere.
    const issued = await Promise.all(
      instances.map(({ url }) => register(url, freshPerson()).then(stage.witness.heard)),
    );
    const lives: number[] = [];
    for (const { accessToken = '', at } of issued) {
      await pause(Math.max(0, ACCESS_TOKEN_SECONDS * 1_000 - 1_500 - (performance.now() - at)));
      for (const { url } of instances) {
        const expired = async () => (await me(url, accessToken)).status === 401;
        await until('an access token expires', expired, { within: 5_000, every: 20 });
      }
      lives.push((performance.now() - at) / 1_000);
    }
    hold(
      Math.max(...lives) <= ACCESS_TOKEN_SECONDS + 2,
      `an access token of 10 s lived for ${Math.max(...lives).toFixed(1)} s`,
    );

    // What ended is refused by those whose clocks are off.
    for (const person of await stage.seed(3)) {
      const { accessToken } = await rotate(stage, right, person, 1);
      stage.witness.mayEnd(person.sessionId, 'disabled');
      await stage.sql("UPDATE sessions SET ended_at = now(), end_reason = 'disabled' WHERE id = $1", [
        person.sessionId,
      ]);
      for (const { url } of instances) {
        await until('refused', async () => (await me(url, accessToken)).status === 401, { within: 1_000 });
      }
    }
    const figure = `${count} people refreshed three times on clocks ±1 h: ${signedOut} signed out; access tokens of 10 s refused everywhere after ${Math.max(...lives).toFixed(1)} s`;
    return { figure, faults };

    async function shiftIdle(ids: string[], interval: string): Promise<void> {
      await stage.sql(`UPDATE sessions SET idle_expires_at = now() ${interval} WHERE id = ANY($1::uuid[])`, [ids]);
    }
  },
};

/** As its own log lines are dated. */
function hoursOff({ output }: Instance): number {
  const [, time = ''] = /"time":"([^"]+)"/.exec(output()) ?? [];
  return Math.round((Date.parse(time) - Date.now()) / 3_600_000);
}
