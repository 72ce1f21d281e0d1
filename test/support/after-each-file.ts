import { afterAll, vi } from 'vitest';
import { closeSql } from './database.js';
import { closeSharedApps } from './test-app.js';

// Run anew for each test file, while the modules of a worker may stay for the next one: nothing else may.
afterAll(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
  await closeSharedApps();
  await closeSql();
});
