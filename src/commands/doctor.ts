import { parseArgs } from 'node:util';
import { inspectEnvironment } from '../config.js';
import type { Check, Status } from '../doctor/check.js';
import { examine } from '../doctor/doctor.js';
import { type Command, orUsageError } from './command.js';
import { print } from './terminal.js';

const MARKS: Record<Status, string> = { ok: 'ok', warning: 'WARNING', failed: 'FAILED', skipped: '-' };

export const doctor: Command = {
  summary: 'look at everything that the service stands on, and say what is wrong',
  help: `Usage: node dist/cli.js doctor [--strict] [--json]

  Examines the configuration, the database (reachable, version, rights, clock, migrations, connections, listening through
  a pooler), signing keys and secrets, cookies, CORS and proxies against ISSUER_URL, the mail server, Redis, and how long
  a password takes here. Says what is wrong and how to mend it. Changes nothing, sends no mail, prints no secret, and
  takes ten seconds at most. To be run with the same environment as the service, before it starts.

  --strict  Takes warnings for failures.
  --json    { "ok": …, "checks": [ { "name", "status", "message", "remedy" } ] }; status: ok, warning, failed, skipped.

Exit code: 0 when nothing failed, 1 when something did, 2 when the call makes no sense.`,

  async run(args) {
    const { values } = orUsageError(() =>
      parseArgs({ args, options: { strict: { type: 'boolean' }, json: { type: 'boolean' } } }),
    );
    const checks = await examine(inspectEnvironment());
    const bad: Status[] = values.strict ? ['failed', 'warning'] : ['failed'];
    const isFine = !checks.some(({ status }) => bad.includes(status));
    print(values.json ?? false, { ok: isFine, checks }, `${checks.map(lineOf).join('\n')}\n\n${summaryOf(checks)}`);
    if (!isFine) process.exitCode = 1;
  },
};

function lineOf({ name, status, message, remedy }: Check): string {
  const first = `${MARKS[status].padEnd(8)} ${name.padEnd(18)} ${message}`;
  return remedy === undefined ? first : `${first}\n${' '.repeat(28)}→ ${remedy}`;
}

function summaryOf(checks: Check[]): string {
  const count = (status: Status) => checks.filter((check) => check.status === status).length;
  return `${count('ok')} ok, ${count('warning')} warnings, ${count('failed')} failed, ${count('skipped')} skipped`;
}
