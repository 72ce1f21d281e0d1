import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { drawChart } from '../../scripts/simulation/chart.js';
import { defaultWorld, parameters, type World } from '../../scripts/simulation/parameters.js';
import {
  comparedPolicies,
  type Family,
  forkingGrace,
  gatehouse,
  NEVER,
  parentForEver,
  strict,
} from '../../scripts/simulation/policies.js';
import { simulate, type Tally } from '../../scripts/simulation/run.js';
import { emptyFamily } from '../../scripts/simulation/world.js';

const SESSIONS = 20_000;
const SEED = 7;
const MONTH_SECONDS = 30 * 86_400;

// More thieves than in the published run, so that a small run says something about them.
const world: World = { ...defaultWorld, thiefShare: 0.3 };
const policies = comparedPolicies(world.graceSeconds, world.recoverySeconds);
const tallies = simulate({ sessions: SESSIONS, seed: SEED, world, policies });

describe('the simulation', () => {
  test('gives the same figures for the same seed, and others for another', () => {
    const options = { sessions: 500, world, policies };
    expect(simulate({ ...options, seed: 3 })).toEqual(simulate({ ...options, seed: 3 }));
    expect(simulate({ ...options, seed: 3 })).not.toEqual(simulate({ ...options, seed: 4 }));
  });

  test('lets every policy live through the same sessions and thefts', () => {
    for (const tally of tallies) {
      expect(tally.honestSessions).toBe(of('strict').honestSessions);
      expect(tally.thefts).toBe(of('strict').thefts);
    }
  });

  test('signs nobody out, strict policies too, where nothing is lost, killed or open twice', () => {
    const calm = { ...world, appLossRate: 0, browserLossRate: 0, appKillRate: 0, browserKillRate: 0 };
    const run = simulate({
      sessions: 2_000,
      seed: SEED,
      world: { ...calm, killAfterUseRate: 0, tabRate: 0 },
      policies,
    });
    expect(run.map(({ signedOut }) => signedOut)).toEqual([0, 0, 0, 0, 0]);
  });

  test('takes our rule without its windows for what it then is: strict', () => {
    const run = simulate({
      sessions: 2_000,
      seed: SEED,
      world,
      policies: [
        { name: 'same', decide: gatehouse(0, 0) },
        { name: 'same', decide: strict },
      ],
    });
    expect(run[0]).toEqual(run[1]);
  });

  test('has a page that names every parameter with its value and its source', async () => {
    const page = await readFile('docs/simulation.md', 'utf8');
    for (const [name, { value, unit, meaning, source }] of Object.entries(parameters)) {
      expect(page).toContain(`| \`${name}\` | ${value} ${unit} | ${meaning} | ${source} |`);
    }
  });

  test('draws a chart with a title, a description and a bar for each policy and figure', () => {
    const chart = drawChart(tallies, 'a & b');
    expect(chart).toMatch(/^<svg [^>]*role="img"/);
    expect(chart).toContain('<title id="t">');
    expect(chart).toContain('a &amp; b</desc>');
    expect(chart.match(/<rect class="bar/g)).toHaveLength(10);
  });
});

describe('Gatehouse', () => {
  test('signs out a tenth at most of the honest people whom strict rotation and forking grace sign out', () => {
    for (const name of ['strict', '10 s grace, forks', '30 s grace, forks']) {
      expect(of('Gatehouse').signedOut * 10).toBeLessThanOrEqual(of(name).signedOut);
    }
  });

  test('is beaten on honest people only by the policy that misses several times as many thieves', () => {
    const better = tallies.filter(({ signedOut }) => signedOut < of('Gatehouse').signedOut);
    expect(better.map(({ name }) => name)).toEqual(['parent for ever']);
    expect(of('parent for ever').thievesUnnoticed).toBeGreaterThan(of('Gatehouse').thievesUnnoticed * 3);
  });

  test('signs nobody out for lost answers and killed apps that come back within the recovery window', () => {
    const run = simulate({
      sessions: 5_000,
      seed: SEED,
      world: { ...world, killAfterUseRate: 0, tabRate: 0 },
      policies: [{ name: 'Gatehouse', decide: gatehouse(10, MONTH_SECONDS) }],
    });
    expect(run[0]?.signedOut).toBe(0);
  });

  test('signs nobody out for tabs that come within the grace window', () => {
    const calm = { ...world, appLossRate: 0, browserLossRate: 0, appKillRate: 0, browserKillRate: 0 };
    const run = simulate({
      sessions: 5_000,
      seed: SEED,
      world: { ...calm, killAfterUseRate: 0, slowTabShare: 0 },
      policies: [{ name: 'Gatehouse', decide: gatehouse(20, 0) }],
    });
    expect(run[0]?.signedOut).toBe(0);
  });

  test('misses no more thieves than strict, but for sessions in which a window gave the newest token out again', () => {
    const extra = of('Gatehouse').thievesUnnoticed - of('strict').thievesUnnoticed;
    expect(extra).toBeLessThanOrEqual(of('Gatehouse').unnoticedAfterRepeat);
    // The bound in words: at most one theft in two hundred.
    expect(extra).toBeLessThanOrEqual(of('Gatehouse').thefts / 200);
  });

  test('misses no more thieves with a day to recover than with none: only the grace window costs', () => {
    const [withRecovery, without] = simulate({
      sessions: 5_000,
      seed: SEED,
      world: { ...world, thiefShare: 1 },
      policies: [
        { name: 'a day', decide: gatehouse(10, 86_400) },
        { name: 'none', decide: gatehouse(10, 0) },
      ],
    });
    const extra = (withRecovery?.thievesUnnoticed ?? Number.NaN) - (without?.thievesUnnoticed ?? Number.NaN);
    expect(extra).toBeLessThanOrEqual(5_000 / 1_000);
  });

  test('misses fewer thieves than a grace window of the same length that forks', () => {
    expect(of('Gatehouse').thievesUnnoticed).toBeLessThan(of('10 s grace, forks').thievesUnnoticed);
  });
});

describe('a policy', () => {
  test.each([...policies, { name: 'no windows', decide: gatehouse(0, 0) }])(
    'is a pure function: $name',
    ({ decide }) => {
      const family = familyOfThree();
      for (const presented of [1, 2, 3]) {
        for (const seconds of [100, 105, 125, 90_000]) {
          const now = new Date(seconds * 1000);
          const before = structuredClone(family);
          const first = decide(family, presented, now);
          expect(decide(family, presented, now)).toBe(first);
          expect(family).toEqual(before);
          expect(now).toEqual(new Date(seconds * 1000));
        }
      }
    },
  );

  test.each([
    { name: 'strict', decide: strict, soon: ['end', 'end', 'rotate'], late: ['end', 'end', 'rotate'] },
    { name: 'forking', decide: forkingGrace(10), soon: ['end', 'rotate', 'rotate'], late: ['end', 'end', 'rotate'] },
    {
      name: 'parent',
      decide: parentForEver(10),
      soon: ['repeat', 'repeat', 'rotate'],
      late: ['end', 'repeat', 'rotate'],
    },
    { name: 'ours', decide: gatehouse(10, 3600), soon: ['end', 'repeat', 'rotate'], late: ['end', 'end', 'rotate'] },
  ])('answers the grandparent, the parent and the newest token soon and late: $name', ({ decide, soon, late }) => {
    const family = familyOfThree();
    expect([1, 2, 3].map((token) => decide(family, token, new Date(105_000)))).toEqual(soon);
    expect([1, 2, 3].map((token) => decide(family, token, new Date(200_000)))).toEqual(late);
  });
});

function of(name: string): Tally {
  const tally = tallies.find((candidate) => candidate.name === name);
  if (tally === undefined) throw new Error(`No policy is called ${name}.`);
  return tally;
}

/** Token 1 was exchanged at 50 s, token 2 at 100 s; token 3 arrived. */
function familyOfThree(): Family {
  const family = emptyFamily();
  family.generation = 3;
  family.confirmedGeneration = 3;
  family.rotatedAt = new Date(100_000);
  family.lastAnsweredAt = 100_000;
  family.parents = Int32Array.of(0, 0, 1, 2);
  family.usedAt = Float64Array.of(0, 50_000, 100_000, NEVER);
  family.isGrandparent = Uint8Array.of(1, 1, 0, 0);
  return family;
}
