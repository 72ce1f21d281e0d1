import { randomBytes, randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDatabase } from '../../src/database/database.js';
import { addressBudget, delayAfter, type Guess, SECRET_BUDGET } from '../../src/modules/attempts/attempt-policy.js';
import { createAttemptRepository } from '../../src/modules/attempts/attempt-repository.js';
import { type Attempts, createAttempts } from '../../src/modules/attempts/attempts.js';
import { newDevice } from '../../src/modules/attempts/known-device.js';
import { DomainError } from '../../src/shared/domain-error.js';
import { createKeyRing } from '../../src/shared/key-ring.js';
import { failuresOf, pretendFailures, subjectOf, waitOut as waitOutSubjects } from '../support/attempts.js';
import { sql, testDatabaseUrl } from '../support/database.js';
import { freshEmail, TEST_SECRET } from '../support/test-app.js';

const FREE_PER_ADDRESS = 20;

type Instance = { attempts: Attempts; guessed: Record<string, number>; close: () => Promise<void> };

const keyRing = createKeyRing([Buffer.from(TEST_SECRET, 'base64url')]);
let instances: [Instance, Instance];
let [here, there]: Attempts[] = [];

beforeAll(async () => {
  const url = await testDatabaseUrl();
  instances = [openInstance(url), openInstance(url)];
  [here, there] = instances.map(({ attempts }) => attempts);
});

afterAll(() => Promise.all(instances.map(({ close }) => close())));

/** What one instance counts guesses with: connections of its own on the common database. */
function openInstance(url: string): Instance {
  const database = openDatabase({ url, poolSize: 5, log: { warn: () => {} } });
  const guessed: Record<string, number> = {};
  const attempts = createAttempts({
    repository: createAttemptRepository(database, keyRing),
    freeFailuresPerAddress: FREE_PER_ADDRESS,
    onGuess: (purpose, outcome) => {
      guessed[`${purpose} ${outcome}`] = (guessed[`${purpose} ${outcome}`] ?? 0) + 1;
    },
  });
  return { attempts, guessed, close: () => database.$disconnect() };
}

const freshIp = () => `10.${randomInt(256)}.${randomInt(256)}.${randomInt(256)}`;
const stranger = (guess: Partial<Guess> = {}): Guess => ({
  purpose: 'sign_in',
  account: freshEmail(),
  ip: freshIp(),
  device: null,
  ...guess,
});
const knownDevice = (passwordVersion = 1) => ({ ...newDevice(), passwordVersion });

const wrong = async () => false;
const right = async () => true;
const overloaded = async () => {
  throw new DomainError('overloaded');
};

type Refusal = { code: string; retryAfterSeconds: number | undefined; reason: string | undefined };

/** What came of a guess: whether it was right, or how it was refused. */
async function outcomeOf(guess: Promise<boolean>): Promise<boolean | Refusal> {
  try {
    return await guess;
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    const { retryAfterSeconds, reason } = error.options;
    return { code: error.code, retryAfterSeconds, reason };
  }
}

const tryOnce = (guess: Guess, check = wrong, attempts = here) => outcomeOf(guessOn(attempts, guess, check));

function guessOn(attempts: Attempts | undefined, guess: Guess, check: () => Promise<boolean>): Promise<boolean> {
  return (attempts ?? expect.unreachable()).guess(guess, check);
}

async function failTimes(count: number, guess: Guess): Promise<void> {
  for (let time = 0; time < count; time += 1) {
    expect(await tryOnce(guess)).toBe(false);
    await waitOut(guess);
  }
}

const accountOf = ({ purpose, account }: Guess) => subjectOf(`account|${purpose}|${account}`);
const addressOf = ({ purpose, ip }: Guess) => subjectOf(`address|${purpose}|${ip}`);
const deviceOf = ({ purpose, device }: Guess) =>
  subjectOf(`device|${purpose}|${device?.deviceId}|${device?.passwordVersion}`);

/** Lets delays pass without waiting for them. */
const waitOut = (guess: Guess) => waitOutSubjects([accountOf(guess), addressOf(guess), deviceOf(guess)]);

async function secondsBlocked(subject: Buffer): Promise<number> {
  const [row] = await sql<{ seconds: number }>(
    'SELECT extract(epoch FROM blocked_until - last_attempt_at)::float8 AS seconds FROM attempts WHERE subject = $1',
    [subject],
  );
  return Math.round(row?.seconds ?? Number.NaN);
}

describe('delays', () => {
  test('lets the first guesses through, and refuses the next one before it is made, right or wrong', async () => {
    const guess = stranger();
    for (let time = 0; time < SECRET_BUDGET.freeFailures; time += 1) expect(await tryOnce(guess)).toBe(false);
    let checks = 0;
    for (const answer of [true, false]) {
      const counting = async () => {
        checks += 1;
        return answer;
      };
      const delayed = { code: 'too_many_attempts', retryAfterSeconds: 1, reason: undefined };
      expect(await tryOnce(guess, counting, there)).toEqual(delayed);
    }
    expect(checks).toBe(0);
    await waitOut(guess);
    expect(await tryOnce(guess, right, there)).toBe(true);
  });

  test('grow as the policy says, for an account, a known device and a client address', async () => {
    for (const failures of [4, 5, 6, 9, 14, 15, 40, 99]) {
      const guess = stranger();
      await pretendFailures(accountOf(guess), failures - 1);
      await tryOnce(guess);
      expect(await secondsBlocked(accountOf(guess))).toBe(delayAfter(failures, SECRET_BUDGET));

      const known = stranger({ device: knownDevice() });
      await pretendFailures(deviceOf(known), failures - 1);
      await tryOnce(known);
      expect(await secondsBlocked(deviceOf(known))).toBe(delayAfter(failures, SECRET_BUDGET));
    }
    const budget = addressBudget(FREE_PER_ADDRESS);
    for (const failures of [1, 19, 20, 23, 30, 500]) {
      const guess = stranger();
      await pretendFailures(addressOf(guess), failures - 1);
      await tryOnce(guess);
      expect(await secondsBlocked(addressOf(guess)), `${failures}`).toBe(delayAfter(failures, budget));
    }
  });

  test('say honestly how long to wait, in whole seconds, rounded up', async () => {
    const guess = stranger();
    for (const milliseconds of [1, 400, 1_000, 1_001, 59_400, 900_000]) {
      await pretendFailures(accountOf(guess), 10);
      await sql(`UPDATE attempts SET blocked_until = clock_timestamp() + $2 * interval '1 ms' WHERE subject = $1`, [
        accountOf(guess),
        milliseconds,
      ]);
      const outcome = await tryOnce(guess);
      // The shortest may be over by now.
      if (outcome === false) continue;
      const { retryAfterSeconds = 0 } = outcome as Refusal;
      expect(retryAfterSeconds).toBeGreaterThanOrEqual(1);
      expect(retryAfterSeconds).toBeLessThanOrEqual(Math.ceil(milliseconds / 1_000));
      expect(retryAfterSeconds).toBeGreaterThanOrEqual(Math.ceil(milliseconds / 1_000) - 1);
    }
  });

  test('end when Retry-After says so: a real second', async () => {
    const guess = stranger();
    for (let time = 0; time < 5; time += 1) await tryOnce(guess);
    const { retryAfterSeconds = 0 } = (await tryOnce(guess, right)) as Refusal;
    expect(retryAfterSeconds).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, retryAfterSeconds * 1_000));
    expect(await tryOnce(guess, right)).toBe(true);
  });

  test('are not made longer by those who do not wait', async () => {
    const guess = stranger();
    for (let time = 0; time < 5; time += 1) await tryOnce(guess);
    const row = async () => (await sql('SELECT * FROM attempts WHERE subject = $1', [accountOf(guess)]))[0];
    const before = await row();
    const addressBefore = await failuresOf(addressOf(guess));
    const refused = await Promise.all(
      Array.from({ length: 20 }, (_, n) => tryOnce(guess, wrong, n % 2 ? here : there)),
    );
    for (const outcome of refused) expect(outcome).toMatchObject({ code: 'too_many_attempts' });
    expect(await row()).toEqual(before);
    expect(await failuresOf(addressOf(guess))).toBe(addressBefore);
  });
});

describe('a right guess', () => {
  test('lets the account begin anew, and gives the client address only that one attempt back', async () => {
    const guess = stranger();
    await failTimes(7, guess);
    expect(await tryOnce(guess, right)).toBe(true);
    expect(await failuresOf(accountOf(guess))).toBe(0);
    expect(await failuresOf(addressOf(guess))).toBe(7);
    expect(await failuresOf(accountOf(guess))).toBe(0);
  });

  test('at an own account does not help who guesses at others from the same client address', async () => {
    const ip = freshIp();
    const own = stranger({ ip });
    let guesses = 0;
    for (; guesses < 100; guesses += 1) {
      expect(await tryOnce(own, right)).toBe(true);
      if ((await tryOnce(stranger({ ip }))) !== false) break;
      if ((await tryOnce(own, right)) !== true) break;
    }
    // The last one got through, and the next sign-in did not.
    expect(guesses).toBe(FREE_PER_ADDRESS - 1);
    expect(await failuresOf(addressOf(own))).toBe(FREE_PER_ADDRESS);
  });

  test('of a known device lets that device begin anew, and not the strangers', async () => {
    const victim = stranger({ device: knownDevice() });
    const attacker = { ...victim, device: null };
    await failTimes(8, attacker);
    await failTimes(2, victim);
    expect(await tryOnce(victim, right)).toBe(true);
    expect(await failuresOf(deviceOf(victim))).toBe(0);
    expect(await failuresOf(accountOf(attacker))).toBe(8);
    expect(await failuresOf(addressOf(attacker))).toBe(8);
  });
});

describe('a guess of which nothing was learned', () => {
  test('is given back, to the account as to the client address, and throws what went wrong', async () => {
    const guess = stranger();
    for (let time = 0; time < 12; time += 1) {
      expect(await tryOnce(guess, overloaded)).toMatchObject({ code: 'overloaded' });
    }
    expect(await failuresOf(accountOf(guess))).toBe(0);
    expect(await failuresOf(addressOf(guess))).toBe(0);
    expect(await tryOnce(guess, right)).toBe(true);
  });

  test('takes its own delay along, and leaves the next one the chance that it had', async () => {
    const guess = stranger();
    await failTimes(9, guess);
    expect(await tryOnce(guess, overloaded)).toMatchObject({ code: 'overloaded' });
    expect(await failuresOf(accountOf(guess))).toBe(9);
    expect(await tryOnce(guess, right)).toBe(true);
  });

  test('lifts no delay that a later one earned', async () => {
    const guess = stranger();
    await failTimes(9, guess);
    let release = () => {};
    const stuck = tryOnce(guess, async () => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return overloaded();
    });
    await expect.poll(() => failuresOf(accountOf(guess))).toBe(10);
    await waitOut(guess);
    expect(await tryOnce(guess)).toBe(false);
    release();
    expect(await stuck).toMatchObject({ code: 'overloaded' });
    expect(await failuresOf(accountOf(guess))).toBe(10);
    const delayed = (await tryOnce(guess, right)) as Refusal;
    expect(delayed).toMatchObject({ code: 'too_many_attempts' });
    expect(delayed.retryAfterSeconds).toBeGreaterThan(55);
  });

  test('opens an account again that it alone had stopped', async () => {
    const guess = stranger();
    await pretendFailures(accountOf(guess), 99);
    expect(await tryOnce(guess, overloaded)).toMatchObject({ code: 'overloaded' });
    expect(await tryOnce(guess, right)).toBe(true);
  });
});

describe('100 consecutive failures', () => {
  const stopped = { code: 'too_many_attempts', retryAfterSeconds: undefined, reason: 'reset_required' };

  test('stop strangers for good, from wherever they come, and no known device', async () => {
    const guess = stranger();
    await pretendFailures(accountOf(guess), 98);
    await failTimes(2, guess);
    await waitOut(guess);
    for (const ip of [guess.ip, freshIp(), null]) {
      expect(await tryOnce({ ...guess, ip }, right)).toEqual(stopped);
    }
    expect(await failuresOf(accountOf(guess))).toBe(100);
    expect(await tryOnce({ ...guess, device: knownDevice() }, right)).toBe(true);
    expect(await tryOnce(guess, right)).toEqual(stopped);
  });

  test('tell of the reset also where the client address has to wait as well', async () => {
    const guess = stranger();
    await pretendFailures(accountOf(guess), 99);
    await pretendFailures(addressOf(guess), FREE_PER_ADDRESS + 5);
    expect(await tryOnce(guess)).toBe(false);
    expect(await tryOnce(guess, right)).toEqual(stopped);
  });

  test('leave the account open when the hundredth guess is right', async () => {
    const guess = stranger();
    await pretendFailures(accountOf(guess), 99);
    expect(await tryOnce(guess, right)).toBe(true);
    expect(await failuresOf(accountOf(guess))).toBe(0);
  });

  test('are forgotten with a reset, for every purpose but the second factor, by both names of the person', async () => {
    const person = { id: crypto.randomUUID(), email: freshEmail() };
    const guesses = [stranger({ account: person.email }), stranger({ purpose: 'password', account: person.id })];
    const codes = stranger({ purpose: 'second_factor', account: person.id });
    const bystander = stranger();
    for (const guess of [...guesses, codes, bystander]) {
      await pretendFailures(accountOf(guess), 99);
      await tryOnce(guess);
      expect(await tryOnce(guess, right)).toEqual(stopped);
    }
    await Promise.all(Array.from({ length: 10 }, (_, n) => (n % 2 ? here : there)?.forget(person)));
    for (const guess of guesses) expect(await tryOnce(guess, right)).toBe(true);
    // No new guesses, yet not stopped for ever: who guessed had the old password.
    expect(await tryOnce(codes, right)).toEqual({ code: 'too_many_attempts', retryAfterSeconds: 900 });
    expect(await tryOnce(bystander, right)).toEqual(stopped);
  });

  test('hold for all known devices of an account together, however many there are', async () => {
    const account = freshEmail();
    let checks = 0;
    for (let device = 0; device < 60; device += 1) {
      const guess = stranger({ account, device: { deviceId: `d${device}`.padStart(32, '0'), passwordVersion: 1 } });
      for (let attempt = 0; attempt < 5; attempt += 1) {
        await tryOnce(guess, async () => {
          checks += 1;
          return false;
        });
      }
    }
    expect(checks).toBeLessThanOrEqual(100);
  });

  test('of a known device are forgotten with the new password', async () => {
    const device = knownDevice(1);
    const guess = stranger({ device });
    await pretendFailures(deviceOf(guess), 99);
    await tryOnce(guess);
    expect(await tryOnce(guess, right)).toEqual(stopped);
    expect(await tryOnce({ ...guess, device: { ...device, passwordVersion: 2 } }, right)).toBe(true);
  });
});

describe('a client address', () => {
  test('that has to wait raises no count of an account', async () => {
    const ip = freshIp();
    const victim = stranger({ ip });
    await pretendFailures(addressOf(victim), FREE_PER_ADDRESS + 8);
    await tryOnce(stranger({ ip }));
    for (let time = 0; time < 10; time += 1) {
      const { code, retryAfterSeconds } = (await tryOnce(victim)) as Refusal;
      expect(code).toBe('too_many_attempts');
      expect(retryAfterSeconds).toBeGreaterThan(500);
    }
    expect(await failuresOf(accountOf(victim))).toBe(0);
    expect(await tryOnce({ ...victim, ip: freshIp() }, right)).toBe(true);
  });

  test('keeps a known device behind it in nothing', async () => {
    const victim = stranger({ device: knownDevice() });
    await pretendFailures(addressOf(victim), 500);
    await tryOnce(stranger({ ip: victim.ip }));
    expect(await tryOnce({ ...victim, device: null }, right)).toMatchObject({ code: 'too_many_attempts' });
    for (let time = 0; time < 20; time += 1) expect(await tryOnce(victim, right)).toBe(true);
  });

  test('is forgiven with time, a little for a little while, and is never stopped for good', async () => {
    const guess = stranger();
    const back = (seconds: number) =>
      sql(`UPDATE attempts SET last_attempt_at = last_attempt_at - make_interval(secs => $2) WHERE subject = $1`, [
        addressOf(guess),
        seconds,
      ]);
    await pretendFailures(addressOf(guess), FREE_PER_ADDRESS);
    for (let time = 0; time < 4; time += 1) {
      // Half of what forgives one failure: two of them forgive one, whether or not there were attempts between.
      await back(3_600 / FREE_PER_ADDRESS / 2);
      await tryOnce({ ...guess, account: freshEmail() });
      await waitOut(guess);
    }
    expect(await failuresOf(addressOf(guess))).toBe(FREE_PER_ADDRESS + 2);
    await pretendFailures(addressOf(guess), 5_000);
    await tryOnce(guess);
    expect(await secondsBlocked(addressOf(guess))).toBe(900);
    await waitOut(guess);
    await back(3_600 * 300);
    expect(await tryOnce(guess)).toBe(false);
    expect(await failuresOf(addressOf(guess))).toBe(1);
  });

  test('is the /64 of an IPv6 client', async () => {
    const prefix = `2001:db8:${randomInt(1, 0xffff).toString(16)}:${randomInt(1, 0xffff).toString(16)}`;
    for (let time = 0; time < FREE_PER_ADDRESS; time += 1) {
      expect(await tryOnce(stranger({ ip: `${prefix}:${time}::1` }))).toBe(false);
    }
    expect(await tryOnce(stranger({ ip: `${prefix}::ffff` }), right)).toMatchObject({ code: 'too_many_attempts' });
    expect(await tryOnce(stranger({ ip: `2001:db9:${prefix.slice(9)}::1` }), right)).toBe(true);
  });
});

describe('many at once, on two instances', () => {
  const both = (n: number) => (n % 2 ? here : there);

  test('make no more checks than one after the other would have made', async () => {
    for (let round = 0; round < 10; round += 1) {
      const guess = stranger();
      let checks = 0;
      const counting = async () => {
        checks += 1;
        return false;
      };
      const startedAt = performance.now();
      const guesses = Array.from({ length: 100 }, () => ({ ...guess, ip: freshIp() }));
      const outcomes = await Promise.all(guesses.map((one, n) => tryOnce(one, counting, both(n))));
      const seconds = (performance.now() - startedAt) / 1_000;
      const free = SECRET_BUDGET.freeFailures;
      expect(checks).toBe(outcomes.filter((outcome) => outcome === false).length);
      expect(checks).toBeGreaterThanOrEqual(free);
      // A machine that is busy may let a delay pass meanwhile.
      expect(checks).toBeLessThanOrEqual(free + Math.floor(Math.log2(seconds + 1)));
      expect(await failuresOf(accountOf(guess))).toBe(checks);
      // Whoever was refused has not been counted anywhere.
      const rows = await sql('SELECT subject FROM attempts WHERE subject = ANY($1) AND failures > 0', [
        guesses.map(addressOf),
      ]);
      expect(rows).toHaveLength(checks);
    }
  });

  test('count one client address exactly', async () => {
    const ip = freshIp();
    let checks = 0;
    const guesses = Array.from({ length: 100 }, (_, n) =>
      tryOnce(
        stranger({ ip }),
        async () => {
          checks += 1;
          return false;
        },
        both(n),
      ),
    );
    const outcomes = await Promise.all(guesses);
    expect(checks).toBe(outcomes.filter((outcome) => outcome === false).length);
    expect(checks).toBeGreaterThanOrEqual(FREE_PER_ADDRESS);
    expect(checks).toBeLessThanOrEqual(FREE_PER_ADDRESS + 2);
    expect(await failuresOf(addressOf(stranger({ ip })))).toBe(checks);
  });

  test('are let through in the free range while others are still being checked', async () => {
    const guess = stranger();
    let waiting = 0;
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = async () => {
      waiting += 1;
      await released;
      return true;
    };
    const guesses = [tryOnce(guess, slow), tryOnce(guess, slow, there), tryOnce(guess, slow)];
    await expect.poll(() => waiting).toBe(3);
    release();
    expect(await Promise.all(guesses)).toEqual([true, true, true]);
  });

  test('do not deadlock: many accounts and many client addresses, right, wrong, given back and forgotten', async () => {
    const ips = Array.from({ length: 4 }, freshIp);
    const people = Array.from({ length: 4 }, () => ({ id: crypto.randomUUID(), email: freshEmail() }));
    const checks = [wrong, right, overloaded];
    const storm = Array.from({ length: 600 }, async (_, n) => {
      const person = people[n % people.length] ?? expect.unreachable();
      const ip = ips[Math.floor(n / 4) % ips.length] ?? null;
      if (n % 29 === 0) return both(n)?.forget(person);
      return tryOnce(stranger({ account: person.email, ip }), checks[n % checks.length], both(n));
    });
    for (const outcome of await Promise.all(storm)) {
      if (typeof outcome === 'object') expect(['too_many_attempts', 'overloaded']).toContain(outcome.code);
    }
  });
});

test('counts each purpose for itself', async () => {
  const account = freshEmail();
  await failTimes(20, stranger({ account }));
  for (const purpose of ['second_factor', 'password'] as const) {
    const guess = stranger({ account, purpose });
    for (let time = 0; time < 5; time += 1) expect(await tryOnce(guess)).toBe(false);
    expect(await tryOnce(guess, right)).toMatchObject({ code: 'too_many_attempts' });
  }
  expect(await tryOnce(stranger({ account }), right)).toBe(true);
});

test('tells what came of guesses', async () => {
  const [instance] = instances;
  const before = { ...instance.guessed };
  const guess = stranger({ purpose: 'second_factor' });
  await tryOnce(guess, right);
  await tryOnce(guess, overloaded);
  for (let time = 0; time < 7; time += 1) await tryOnce(guess);
  await pretendFailures(accountOf(guess), 100);
  await sql("UPDATE attempts SET blocked_until = 'infinity' WHERE subject = $1", [accountOf(guess)]);
  await tryOnce(guess, right);
  const since = (outcome: string) =>
    (instance.guessed[`second_factor ${outcome}`] ?? 0) - (before[`second_factor ${outcome}`] ?? 0);
  const counts = ['right', 'undecided', 'wrong', 'delayed', 'stopped'].map(since);
  expect(counts).toEqual([1, 1, 5, 2, 1]);
});

test('keeps nothing in clear of whom it counts', async () => {
  const secret = randomBytes(8).toString('hex');
  await tryOnce(stranger({ account: `${secret}@example.test`, ip: '198.51.100.77' }));
  const rows = await sql<{ line: string }>('SELECT a::text AS line FROM attempts a');
  expect(rows.length).toBeGreaterThan(0);
  for (const { line } of rows) {
    expect(line).not.toContain(secret);
    expect(line).toMatch(/^\("\\\\x[0-9a-f]{64}",/);
  }
});
