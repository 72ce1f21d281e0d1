import { randomUUID } from 'node:crypto';
import { byTurns, median, ratios } from '../interleave.js';
import { requestBytes } from '../load/connection.js';
import { percentile, steadyLoad } from '../load/steady.js';
import { atMost, type Row } from '../row.js';
import { startGateApp } from './gate.js';

const RATES = [1_000, 5_000];
/** Far more than two cores can hash. */
const SIGN_INS_PER_SECOND = 100;
const SECONDS = 6;

const limitOf = (rate: number) => `gate p99 at ${rate.toLocaleString('en')} a second, against no sign-ins`;

export const flood: Row = {
  name: 'flood',
  title: `Gated reads beside ${SIGN_INS_PER_SECOND} sign-ins a second`,
  targets: Object.fromEntries(RATES.map((rate) => [limitOf(rate), atMost(2.5, '×')])),
  async measure(stage) {
    // On all cores, where passwords are hashed too.
    const { port, tokens } = await startGateApp(stage, [], stage.cores?.all);
    const reads = tokens.map((token) => requestBytes('GET', '/bench/guarded', { authorization: `Bearer ${token}` }));
    const seconds = stage.effort.short ? 2 : SECONDS;
    const hashed: number[] = [];
    let refused = 0;
    let refusedReads = 0;

    const gateP99 = async (perSecond: number) => {
      const next = (index: number) => reads[index % reads.length] as Buffer;
      const { milliseconds, statuses } = await steadyLoad({ port, perSecond, seconds, next });
      refusedReads += milliseconds.length - (statuses.get(200) ?? 0);
      return percentile(milliseconds, 0.99);
    };
    const signIns = async () => {
      const { statuses } = await steadyLoad({ port, perSecond: SIGN_INS_PER_SECOND, seconds, next: strangerSignsIn });
      hashed.push((statuses.get(401) ?? 0) / seconds);
      refused += statuses.get(503) ?? 0;
    };

    const found: Awaited<ReturnType<Row['measure']>> = {};
    for (const rate of RATES) {
      const p99 = await byTurns(stage.effort, {
        idle: () => gateP99(rate),
        flooded: async () => (await Promise.all([gateP99(rate), signIns()]))[0],
      });
      const rounds = ratios(p99.flooded, p99.idle);
      const details = {
        idle_p99_ms: median(p99.idle),
        flooded_p99_ms: median(p99.flooded),
        refused_reads: refusedReads,
      };
      refusedReads = 0;
      Object.assign(found, { [limitOf(rate)]: { value: median(rounds), rounds, details } });
    }
    stage.note(`${median(hashed).toFixed(1)} sign-ins a second were hashed, ${refused} told 503`);
    return found;
  },
};

/** Another address each time, or guessing would be stopped before anything is hashed. */
function strangerSignsIn(): Buffer {
  const email = `${randomUUID()}@example.com`;
  return requestBytes('POST', '/v1/auth/login', {}, { email, password: 'correct horse battery staple' });
}
