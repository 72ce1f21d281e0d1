/** The database side of a refresh: the service's own statements, without HTTP and without tokens. */
import { sessionIdOf } from '../ids.js';
import { built } from './built.js';
import { answerParent } from './parent.js';

const { openDatabase } = (await import(
  built('database/database.js')
)) as typeof import('../../src/database/database.js');
const { createSessionRepository } = (await import(
  built('modules/sessions/session-repository.js')
)) as typeof import('../../src/modules/sessions/session-repository.js');
const { createRotationBatches } = (await import(
  built('modules/sessions/rotation-batches.js')
)) as typeof import('../../src/modules/sessions/rotation-batches.js');

const IN_FLIGHT = 64;
const POOL_SIZE = 10;
const IDLE_SECONDS = 1_209_600;

const log = { warn: console.error };
const database = openDatabase({ url: process.env.DATABASE_URL ?? '', poolSize: POOL_SIZE, log });
const repository = createSessionRepository(database);
const batches = createRotationBatches({
  rotate: (rotation) => repository.rotate(rotation, IDLE_SECONDS),
  rotateMany: (rotations) => repository.rotateMany(rotations, IDLE_SECONDS),
  rotateInDoubt: (rotation) => repository.rotateInDoubt(rotation, IDLE_SECONDS),
});
/** Of every session, by its number. */
const generations = new Int32Array(Number(process.env.SESSIONS)).fill(1);

type Work = { batched: boolean; seconds?: number; count?: number };

answerParent({
  /** Rotates sessions picked by chance, 64 at once. @returns how many, and how many a second */
  async rotate({ batched, seconds = Number.POSITIVE_INFINITY, count = Number.POSITIVE_INFINITY }: Work) {
    const rotate = batched ? batches.rotate : (rotation: Rotation) => repository.rotate(rotation, IDLE_SECONDS);
    const startedAt = performance.now();
    const until = startedAt + seconds * 1_000;
    let rotated = 0;
    const lanes = Array.from({ length: IN_FLIGHT }, async (_, lane) => {
      while (performance.now() < until && rotated < count) {
        // No two of those in flight are the same one.
        const pick = Math.floor(Math.random() * Math.floor(generations.length / IN_FLIGHT)) * IN_FLIGHT + lane;
        const generation = generations[pick] ?? 0;
        const moved = await rotate({ sessionId: sessionIdOf(pick), generation, transport: 'cookie' });
        if (moved === null) throw new Error(`Session ${pick} was not at generation ${generation}.`);
        generations[pick] = generation + 1;
        rotated += 1;
      }
    });
    await Promise.all(lanes);
    return { rotated, perSecond: rotated / ((performance.now() - startedAt) / 1_000) };
  },
});

type Rotation = Parameters<typeof batches.rotate>[0];
