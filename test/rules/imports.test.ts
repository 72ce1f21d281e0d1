import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';

/**
 * Who may import whom (docs/architecture.md). Each row: files, and what they may import of `src/`; the first row that
 * fits a file counts. Packages are judged by the tests below the table.
 */
const MAY_IMPORT: [files: RegExp, imports: RegExp][] = [
  [/^app(-\w+)?\.ts$/, /./],
  [
    /^(server|start-server)\.ts$/,
    /^(app|app-starting|start-server|config|database\/(migrations|faults)|shared\/settles-within|tracing\/tracing)\.ts$/,
  ],
  [/^cli\.ts$/, /^(commands\/|config\.ts$)/],
  // A command wires what it needs by itself: it must work where the service cannot start.
  [
    /^commands\//,
    /^(commands|shared|doctor)\/|^config\.ts$|^database\/(database|faults|migrations)\.ts$|^modules\/(tokens\/signing-key-|accounts\/(account-repository|account-import|email-address)|attempts\/attempt-|mail\/outbox-repository|sessions\/session(-repository)?\.ts|audit\/event-repository|second-factor\/second-factor-removal)/,
  ],
  [/^config(-\w+)?\.ts$/, /^(config-\w+|shared\/.*)\.ts$/],
  [/^shared\//, /^shared\//],
  [/^database\//, /^(database|shared|generated)\//],
  [
    /^doctor\//,
    /^(doctor|shared|redis)\/|^config(-schema)?\.ts$|^database\/|^modules\/(tokens\/signing-key-repository|mail\/smtp-transport|passwords\/hash-workers)/,
  ],
  [/^metrics\//, /^metrics\//],
  [/^tracing\//, /^tracing\//],
  [/^redis\//, /^(redis|shared)\//],
  [/^plugins\//, /^(plugins|redis|metrics|shared)\/|^database\/faults\.ts$|^modules\/(tokens|revocation)\//],
  [/^modules\/accounts\/.*-repository\.ts$/, /^(modules\/(accounts|audit)|database|generated|shared)\//],
  [/^modules\/accounts\//, /^(modules\/(accounts|second-factor|sessions|passwords|attempts|mail|audit)|shared)\//],
  [/^modules\/passwords\//, /^(modules\/passwords|shared)\//],
  [/^modules\/attempts\/.*-repository\.ts$/, /^(modules\/attempts|database|generated|shared)\//],
  [/^modules\/second-factor\/.*-repository\.ts$/, /^(modules\/(second-factor|audit)|database|generated|shared)\//],
  [/^modules\/second-factor\//, /^(modules\/(second-factor|passwords|attempts|mail|audit)|shared)\//],
  [/^modules\/attempts\//, /^(modules\/attempts|shared)\//],
  [/^modules\/mail\/.*-repository\.ts$/, /^(modules\/mail|database|generated|shared)\//],
  [/^modules\/mail\//, /^(modules\/mail|shared)\//],
  [/^modules\/audit\/.*-repository\.ts$/, /^(modules\/audit|database|generated|shared)\//],
  [/^modules\/audit\//, /^(modules\/audit|shared)\//],
  [/^modules\/sessions\/.*-repository\.ts$/, /^(modules\/(sessions|audit)|database|generated|shared)\//],
  [/^modules\/sessions\//, /^(modules\/(sessions|tokens|revocation)|shared)\//],
  [/^modules\/simulated-faults\//, /^(modules\/(simulated-faults|sessions|tokens)|shared)\//],
  [/^modules\/tokens\/.*-repository\.ts$/, /^(modules\/tokens|database|generated|shared)\//],
  [/^modules\/tokens\//, /^(modules\/tokens|shared)\//],
  [/^modules\/retention\/.*-repository\.ts$/, /^(modules\/retention|database|generated|shared)\//],
  [/^modules\/retention\//, /^(modules\/retention|shared)\//],
  [/^modules\/revocation\/.*-repository\.ts$/, /^(modules\/revocation|database|generated|shared)\//],
  [/^modules\/revocation\//, /^(modules\/revocation|shared)\//],
];

/** Security decisions and formats: functions of what they are given, with no library and no service in them. */
const PURE = [
  'modules/sessions/session.ts',
  'modules/sessions/refresh-decision.ts',
  'modules/sessions/refresh-token.ts',
  'modules/passwords/password-hash.ts',
  'modules/attempts/attempt-policy.ts',
  'modules/attempts/client-network.ts',
  'modules/accounts/mfa-token.ts',
  'modules/second-factor/recovery-codes.ts',
  'modules/accounts/one-time-token.ts',
  'modules/mail/delivery-policy.ts',
  'modules/attempts/known-device.ts',
  'modules/revocation/ended-sessions.ts',
  'modules/tokens/signing-key-schedule.ts',
  'shared/key-ring.ts',
  'shared/seal.ts',
  'shared/error-codes.ts',
];

const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.[jt]s$/.test(file) && !file.startsWith('generated'))
  .map((file) => file.replaceAll(path.sep, '/'));

const textOf = (file: string) => readFileSync(path.join('src', file), 'utf8');

function importsOf(file: string): { packages: string[]; local: string[] } {
  const statements = /^(?:import|export)\s[^;='"]*\sfrom\s+['"]([^'"]+)['"]|^import\s+['"]([^'"]+)['"]/gm;
  const specifiers = [...textOf(file).matchAll(statements)].map(([, from, bare]) => from ?? bare ?? '');
  const local = specifiers.filter((name) => name.startsWith('.'));
  return {
    packages: specifiers.filter((name) => !name.startsWith('.')),
    local: local.map((name) => path.posix.join(path.posix.dirname(file), name).replace(/\.js$/, '.ts')),
  };
}

test('there are files to judge, and every rule has some', () => {
  expect(files.length).toBeGreaterThan(40);
  for (const [pattern] of MAY_IMPORT)
    expect(
      files.filter((file) => pattern.test(file)),
      String(pattern),
    ).not.toEqual([]);
  for (const file of PURE) expect(files).toContain(file);
});

describe('imports only what its room may', () => {
  test.each(files)('%s', (file) => {
    const allowed = MAY_IMPORT.find(([pattern]) => pattern.test(file))?.[1];
    expect(allowed, 'a room for this file').toBeDefined();
    for (const target of importsOf(file).local) expect(target).toMatch(allowed as RegExp);
  });
});

test.each(files.filter((file) => file.endsWith('-service.ts')))('%s sees no request and no reply', (file) => {
  expect(importsOf(file).packages.filter((name) => /fastify/.test(name))).toEqual([]);
});

test.each(PURE)('%s is pure', (file) => {
  const { packages, local } = importsOf(file);
  for (const name of packages) expect(name).toBe('node:crypto');
  for (const target of local) expect(target.startsWith('shared/') || PURE.includes(target)).toBe(true);
});

test('only repositories and the database folder touch Prisma', () => {
  const touching = files.filter((file) => /['"][^'"]*(generated\/prisma|@prisma\/|^pg$)[^'"]*['"]/.test(textOf(file)));
  // Tracing has Prisma's instrumentation, and no statement; the doctor asks where there may be no tables yet.
  for (const file of touching)
    expect(file).toMatch(/-repository\.ts$|^database\/|^tracing\/tracing\.ts$|^doctor\/database-probe\.ts$/);
});

test('only config.ts reads the environment', () => {
  expect(files.filter((file) => /process\.env|NODE_ENV/.test(textOf(file)))).toEqual(['config.ts']);
});

test('nobody asks request.signal whether the client has gone: it does not know (see plugins/client-gone.ts)', () => {
  const asking = files.filter(
    (file) =>
      /\brequest\.signal\b|\{[^}]*\bsignal\b(?!:)[^}]*\} = request\b/.test(textOf(file)) && !/-service\.ts$/.test(file),
  );
  expect(asking).toEqual(['plugins/client-gone.ts']);
});

test('nothing imports in a circle', () => {
  const visiting: string[] = [];
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string) => {
    if (done.has(file)) return;
    if (visiting.includes(file)) {
      circles.push([...visiting.slice(visiting.indexOf(file)), file].join(' → '));
      return;
    }
    visiting.push(file);
    if (files.includes(file)) importsOf(file).local.forEach(visit);
    visiting.pop();
    done.add(file);
  };
  files.forEach(visit);
  expect(circles).toEqual([]);
});

test('no file is longer than 300 lines', () => {
  expect(files.filter((file) => textOf(file).split('\n').length > 300)).toEqual([]);
});
