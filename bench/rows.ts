import type { Row } from './row.js';
import { firstSight } from './rows/first-sight.js';
import { flood } from './rows/flood.js';
import { gate } from './rows/gate.js';
import { image } from './rows/image.js';
import { login } from './rows/login.js';
import { peersRead, peersRefresh, peersSignIn } from './rows/peers.js';
import { refresh } from './rows/refresh.js';
import { revocation } from './rows/revocation.js';
import { rotation, rotationCost } from './rows/rotation.js';
import { start } from './rows/start.js';
import { growth, manySessions } from './rows/table.js';

/** In the order of the table. */
export const ROWS: Row[] = [
  gate,
  firstSight,
  rotation,
  refresh,
  rotationCost,
  growth,
  manySessions,
  login,
  flood,
  revocation,
  start,
  image,
  peersRead,
  peersRefresh,
  peersSignIn,
];
