import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const database = {
  globalSetup: ['test/support/postgres.ts'],
  setupFiles: ['test/support/after-each-file.ts'],
  testTimeout: 20_000,
  hookTimeout: 30_000,
};

/** Where a branch that no test takes would be a hole: rotation, refresh tokens, the gate, revocation, keys. */
const WHERE_IT_MATTERS = [
  'src/modules/sessions/refresh-*.ts',
  'src/modules/sessions/rotation-batches.ts',
  'src/plugins/gate.ts',
  // Not the repositories: their last branches are rows that Postgres always gives, and types do not know of.
  'src/modules/revocation/ended-{sessions,session-feed}.ts',
  'src/modules/tokens/{access-*,jwks-*,key-*,signing-key,signing-keys,signing-key-schedule,signing-key-upkeep}.ts',
  'src/shared/key-ring.ts',
];

export default defineConfig({
  test: {
    // All cores: most tests wait for Postgres or for a process.
    maxWorkers: availableParallelism(),
    reporters: ['default', './test/support/count-reporter.ts'],
    coverage: {
      provider: 'v8',
      include: ['src/**'],
      // What runs only as a process of its own is shown by the e2e tests, and not counted here.
      exclude: ['src/generated/**', 'src/server.ts', 'src/cli.ts', 'src/commands/**'],
      reporter: ['text', 'html'],
      thresholds: { lines: 95, ...Object.fromEntries(WHERE_IT_MATTERS.map((files) => [files, { branches: 100 }])) },
    },
    projects: [
      // Some start a compiler or npm, which takes its time beside other work.
      { test: { name: 'rules', include: ['test/rules/**/*.test.ts'], testTimeout: 60_000 } },
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 20_000 } },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts', 'client/test/**/*.test.ts'],
          ...database,
          // The files of a worker share its modules: loading the service for each of them took a third of the time.
          isolate: false,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          ...database,
          globalSetup: [...database.globalSetup, 'test/support/built-service.ts'],
          testTimeout: 90_000,
        },
      },
      {
        test: {
          // What runs beside the service: other programs, and several instances at once.
          name: 'services',
          include: ['test/services/**/*.test.ts'],
          ...database,
          globalSetup: [...database.globalSetup, 'test/support/built-service.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          ...database,
          setupFiles: [...database.setupFiles, 'test/support/browser-after-each-file.ts'],
          // A page takes its time where many open at once.
          testTimeout: 120_000,
        },
      },
    ],
  },
});
