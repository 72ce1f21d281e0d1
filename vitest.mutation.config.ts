import { defineConfig } from 'vitest/config';

/** The tests that `npm run mutation` runs for each single fault: those of what it changes, and no slow ones. */
export default defineConfig({
  test: {
    include: [
      'test/unit/{refresh-*,rotation-batches,ended-session*,signing-key*,access-*,seal,key-ring}.test.ts',
      'test/integration/{rotation,confirmation,signing-keys,app-secrets}.test.ts',
      'test/integration/http/{gate,forged-signatures,forged-tokens,token-response,logout}.test.ts',
    ],
    globalSetup: ['test/support/postgres.ts'],
    setupFiles: ['test/support/after-each-file.ts'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
});
