import { ConfigSchema } from '../../../src/config-schema.js';
import type { Answer } from '../ask.js';
import type { Instance } from '../instance.js';
import { freshPerson, logIn } from '../people.js';
import { hasRedis, startRedis } from '../redis.js';
import { createFaults, type Row } from '../row.js';
import { until } from '../until.js';

const PER_MINUTE = 30;
const ANSWER_WITHIN_MS = 250;

export const redisGone: Row = {
  name: 'redis-gone',
  fault: 'Redis is killed, or hangs',
  right:
    'sign-in is limited all the same, by each instance for itself: ≤ 2 × the attempts; answers ≤ 250 ms; shared again when Redis is back',
  prepare: async () => {
    if (!('REDIS_URL' in ConfigSchema.properties)) return { skipped: 'this version has no REDIS_URL' };
    return hasRedis() ? {} : { skipped: 'redis-server is not installed here' };
  },
  async run(stage) {
    const { faults, hold } = createFaults();
    const redis = await startRedis();
    stage.atEnd(() => redis.signal('SIGKILL'));
    const two = await stage.startTwo({
      REDIS_URL: redis.url,
      RATE_LIMIT_PER_MINUTE: '0',
      RATE_LIMIT_CREDENTIALS_PER_MINUTE: String(PER_MINUTE),
      TRUSTED_PROXIES: '127.0.0.1',
    });
    const shared = async () => admittedOf(await tryFromOneAddress(two)) === PER_MINUTE;
    await until('both instances count as one', shared, { within: 20_000, every: 200 });

    const figures: string[] = [];
    for (const [how, breakIt, mend] of [
      ['killed', () => redis.signal('SIGKILL'), redis.start],
      ['hung', () => redis.signal('SIGSTOP'), () => redis.signal('SIGCONT')],
    ] as const) {
      await breakIt();
      const answers = await tryFromOneAddress(two);
      const slowest = Math.max(...answers.map(({ milliseconds }) => milliseconds));
      const admitted = admittedOf(answers);
      hold(slowest <= ANSWER_WITHIN_MS, `${how}: an answer took ${slowest.toFixed(0)} ms`);
      hold(admitted <= 2 * PER_MINUTE, `${how}: ${admitted} attempts were let through`);
      hold(admitted >= PER_MINUTE, `${how}: only ${admitted} attempts were let through`);
      const wrong = answers.filter(({ status }) => status !== 401 && status !== 429);
      hold(wrong.length === 0, `${how}: ${wrong.length} answers were neither 401 nor 429 but ${wrong[0]?.status}`);
      await mend();
      const { milliseconds } = await until('both instances count as one again', shared, { within: 30_000, every: 200 });
      figures.push(
        `${how}: ${admitted} of ${answers.length} let through, the slowest ${slowest.toFixed(0)} ms, shared again after ${(milliseconds / 1_000).toFixed(1)} s`,
      );
    }
    return { figure: `${PER_MINUTE} a minute; ${figures.join('; ')}`, faults };
  },
};

let addresses = 0;

/** More attempts than two instances admit, by turns at both, from an address that nobody has used yet. */
async function tryFromOneAddress(instances: readonly Instance[]): Promise<Answer[]> {
  addresses += 1;
  const headers = { 'x-forwarded-for': `198.51.${addresses >> 8}.${addresses % 256}` };
  const answers: Answer[] = [];
  for (let attempt = 0; attempt < 3 * PER_MINUTE; attempt += 1) {
    answers.push(await logIn(instances[attempt % instances.length]?.url ?? '', freshPerson(), headers));
  }
  return answers;
}

const admittedOf = (answers: readonly Answer[]) => answers.filter(({ status }) => status !== 429).length;
