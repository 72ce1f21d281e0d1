import type { Row } from './row.js';
import { answerCutBeforeClient, answerCutBeforeService } from './rows/answer-cut.js';
import { hundredParallelRefreshes } from './rows/hundred-parallel-refreshes.js';
import { killedAfterCommit, killedBeforeCommit } from './rows/killed-mid-refresh.js';
import { postgresRestarted } from './rows/postgres-restarted.js';
import { twoInstancesOneToken } from './rows/two-instances-one-token.js';

/** Every fault, in the order in which they are met. */
export const ROWS: readonly Row[] = [
  postgresRestarted,
  killedBeforeCommit,
  killedAfterCommit,
  answerCutBeforeClient,
  answerCutBeforeService,
  twoInstancesOneToken,
  hundredParallelRefreshes,
];
