import { defineConfig } from 'vitest/config';

/** The tests that `npm run mutation` runs for each single fault: those of what it changes, and none that need a database. */
export default defineConfig({
  test: {
    include: ['test/unit/{refresh-*,rotation-batches,ended-session*,signing-key*,access-*,key-ring,seal,gate}.test.ts'],
    testTimeout: 20_000,
  },
});
