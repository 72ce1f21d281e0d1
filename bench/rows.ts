import type { Row } from './row.js';
import { firstSight } from './rows/first-sight.js';
import { gate } from './rows/gate.js';
import { start } from './rows/start.js';

/** In the order of the table. */
export const ROWS: Row[] = [gate, firstSight, start];
