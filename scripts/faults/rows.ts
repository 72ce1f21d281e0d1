import type { Row } from './row.js';
import { answerCutBeforeClient, answerCutBeforeService } from './rows/answer-cut.js';
import { clockSkewed } from './rows/clock-skewed.js';
import { diskFull } from './rows/disk-full.js';
import { expiredRowsCleaned } from './rows/expired-rows-cleaned.js';
import { hammeredVictim } from './rows/hammered-victim.js';
import { hundredParallelRefreshes } from './rows/hundred-parallel-refreshes.js';
import { keyRotationUnderTraffic } from './rows/key-rotation.js';
import { killedAfterCommit, killedBeforeCommit } from './rows/killed-mid-refresh.js';
import { listenerKilled } from './rows/listener-killed.js';
import { loginFlood } from './rows/login-flood.js';
import { poolExhausted } from './rows/pool-exhausted.js';
import { postgresDownAtStart } from './rows/postgres-down-at-start.js';
import { postgresHangs } from './rows/postgres-hangs.js';
import { postgresRestarted } from './rows/postgres-restarted.js';
import { postgresSlow } from './rows/postgres-slow.js';
import { redisGone } from './rows/redis-gone.js';
import { refreshAgainstLogout, refreshAgainstPasswordChange } from './rows/refresh-against-end.js';
import { replayOfGrandparent, replayOfPredecessor } from './rows/replay.js';
import { restartThenReplay } from './rows/restart-then-replay.js';
import { sigtermUnderLoad } from './rows/sigterm-under-load.js';
import { twoInstancesOneToken } from './rows/two-instances-one-token.js';

/** Every fault, in the order in which they are met. */
export const ROWS: readonly Row[] = [
  postgresRestarted,
  postgresDownAtStart,
  postgresHangs,
  postgresSlow,
  poolExhausted,
  diskFull,
  redisGone,
  sigtermUnderLoad,
  killedBeforeCommit,
  killedAfterCommit,
  answerCutBeforeClient,
  answerCutBeforeService,
  twoInstancesOneToken,
  hundredParallelRefreshes,
  replayOfPredecessor,
  replayOfGrandparent,
  refreshAgainstLogout,
  refreshAgainstPasswordChange,
  restartThenReplay,
  listenerKilled,
  clockSkewed,
  keyRotationUnderTraffic,
  loginFlood,
  hammeredVictim,
  expiredRowsCleaned,
];
