import { expect, test } from 'vitest';
import { fakeTimeLibrary } from '../../scripts/faults/instance.js';
import { testDatabaseUrl } from '../support/database.js';
import { run } from '../support/processes.js';
import { ISSUER, TEST_SECRET } from '../support/test-app.js';

test.each([
  ['+1h', 'ahead of'],
  ['-1h', 'behind'],
])('doctor says that the clock of its machine is off (%s), and how to mend it', async (clock, direction) => {
  const running = run('src/cli.ts', ['doctor', '--json'], {
    DATABASE_URL: await testDatabaseUrl(),
    APP_SECRETS: TEST_SECRET,
    ISSUER_URL: ISSUER,
    LD_PRELOAD: fakeTimeLibrary() ?? expect.unreachable('libfaketime is not installed'),
    FAKETIME: clock,
    DONT_FAKE_MONOTONIC: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  });
  await running.exit;
  const { checks } = JSON.parse(running.output());
  const [found] = checks.filter(({ name }: { name: string }) => name === 'clock');
  expect(found).toMatchObject({ status: 'warning', remedy: 'Let NTP set both.' });
  expect(found.message).toMatch(new RegExp(`3[56]\\d\\d seconds ${direction}`));
});
