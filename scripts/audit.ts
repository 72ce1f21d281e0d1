/**
 * `npm run audit`: asks the registry for known faults of what the image ships (any) and of what builds it (high and
 * critical). A registry that has no such list is said so, and is no failure.
 */
import { spawnSync } from 'node:child_process';

const AUDITS = [
  { what: 'what the image ships', args: ['--omit=dev', '--audit-level=low'] },
  { what: 'what builds and tests it', args: ['--audit-level=high'] },
];

type Answer = { statusCode?: number; message?: string; metadata?: { vulnerabilities: Record<string, number> } };

let passed = 0;
let failed = 0;
let skipped = 0;
for (const { what, args } of AUDITS) {
  const { status, stdout } = spawnSync('npm', ['audit', '--json', ...args], { encoding: 'utf8' });
  const answer = parse(stdout);
  if (answer?.metadata === undefined) {
    // A registry that answers so has no list. Anything else, such as a network that is down, leaves it unknown.
    const hasNoList = [404, 405, 501].includes(answer?.statusCode ?? 0);
    const why = hasNoList ? 'this registry has no list of known faults' : 'nobody could be asked';
    console.log(`${what}: ${why} (${answer?.message ?? 'no answer'}).`);
    if (hasNoList) skipped += 1;
    else failed += 1;
    continue;
  }
  const { total = 0, ...counts } = answer.metadata.vulnerabilities;
  console.log(`${what}: ${total} known faults ${JSON.stringify(counts)}`);
  if (status === 0) passed += 1;
  else failed += 1;
}
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed > 0 ? 1 : 0);

function parse(text: string): Answer | undefined {
  try {
    return JSON.parse(text) as Answer;
  } catch {
    return undefined;
  }
}
