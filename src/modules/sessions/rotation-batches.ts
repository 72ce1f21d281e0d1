import { AsyncLocalStorage } from 'node:async_hooks';
import { DomainError } from '../../shared/domain-error.js';
import type { SessionSnapshot, Transport } from './session.js';

/** A refresh token that was presented, in what the database needs of it. */
export type Rotation = { sessionId: string; generation: number; transport: Transport };

type RotationBatchesOptions = {
  /** Moves one session. @returns null when it is not there, live and at that generation */
  rotate: (rotation: Rotation) => Promise<SessionSnapshot | null>;
  /** Moves many in one statement, each on its own condition; gives those that were moved. */
  rotateMany: (rotations: Rotation[]) => Promise<SessionSnapshot[]>;
  /** Moves one session, or finds that a statement whose outcome is not known has moved it. */
  rotateInDoubt: (rotation: Rotation) => Promise<SessionSnapshot | null>;
  /** Statements at once: one lets a slow commit hold up all who wait, many leave nothing to gather. */
  lanes?: number;
};

export type RotationBatches = ReturnType<typeof createRotationBatches>;

/** Large enough that Postgres works for each row alone, small enough that nobody waits long for the last. */
const MAX_BATCH = 250;
/** More than wait at any time that is not hopeless. */
const MAX_WAITING = 2_000;
/** Whoever has waited for so long gets no answer in time any more (plugins/time-limit.ts). */
const MAX_WAIT_MS = 2_000;

type Waiting = Rotation & {
  since: number;
  resolve: (snapshot: SessionSnapshot | null) => void;
  reject: (error: unknown) => void;
};

/**
 * Lets rotations that wait at the same moment share one statement. There is no timer: whoever comes while few statements
 * are under way goes alone, at once; the others gather and go when one of those is done. Each row is judged by its own
 * condition. The same token twice in a batch moves one row once, and both get the same successor, as two tabs should.
 */
export function createRotationBatches({ rotate, rotateMany, rotateInDoubt, lanes = 3 }: RotationBatchesOptions) {
  const waiting: Waiting[] = [];
  let underWay = 0;
  // A batch is nobody's own: what it logs and traces belongs to no single request.
  const outsideRequests = AsyncLocalStorage.snapshot();

  function next(): void {
    while (underWay < lanes && waiting.length > 0) {
      const batch = waiting.splice(0, MAX_BATCH).filter(isInTime);
      if (batch.length > 0) {
        underWay += 1;
        void outsideRequests(() => send(batch)).finally(() => {
          underWay -= 1;
          next();
        });
      }
    }
  }

  async function send(batch: Waiting[]): Promise<void> {
    const [alone] = batch;
    if (batch.length === 1 && alone) return settle(alone, rotate(alone));
    try {
      const moved = new Map((await rotateMany(distinct(batch))).map((snapshot) => [keyOfMoved(snapshot), snapshot]));
      for (const one of batch) one.resolve(moved.get(keyOf(one)) ?? null);
    } catch {
      // One row may have failed them all, or all may be done and only the answer lost: each goes by itself.
      await Promise.all(batch.map((one) => settle(one, rotateInDoubt(one))));
    }
  }

  return {
    /**
     * Moves a live session to its next generation.
     *
     * @returns null when the session is not live, not at that generation or does not use that transport
     * @throws DomainError `unavailable` when too many wait, or this one has waited too long; then nothing was moved for it
     */
    rotate(rotation: Rotation): Promise<SessionSnapshot | null> {
      if (underWay < lanes && waiting.length === 0) return alone(rotation);
      if (waiting.length >= MAX_WAITING) return Promise.reject(tooMany());
      return new Promise((resolve, reject) => {
        waiting.push({ ...rotation, since: performance.now(), resolve, reject });
      });
    },
  };

  async function alone(rotation: Rotation): Promise<SessionSnapshot | null> {
    underWay += 1;
    try {
      return await rotate(rotation);
    } finally {
      underWay -= 1;
      next();
    }
  }
}

function settle(one: Waiting, rotated: Promise<SessionSnapshot | null>): Promise<void> {
  return rotated.then(one.resolve, one.reject);
}

function isInTime(one: Waiting): boolean {
  if (performance.now() - one.since < MAX_WAIT_MS) return true;
  one.reject(tooMany());
  return false;
}

/** One of each, in the order of their ids, so that two instances lock rows in the same order. */
function distinct(batch: Rotation[]): Rotation[] {
  const one = new Map(batch.map((rotation) => [keyOf(rotation), rotation]));
  return [...one.values()].sort((a, b) => (a.sessionId < b.sessionId ? -1 : 1));
}

const keyOf = ({ sessionId, generation, transport }: Rotation) => `${sessionId} ${generation} ${transport}`;

const keyOfMoved = ({ session }: SessionSnapshot) =>
  keyOf({ sessionId: session.id, generation: session.generation - 1, transport: session.transport });

function tooMany(): DomainError {
  return new DomainError('unavailable', { retryAfterSeconds: 1, cause: 'too many rotations wait for the database' });
}
