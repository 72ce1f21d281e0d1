import { Piscina } from 'piscina';
import { DomainError } from '../../shared/domain-error.js';

export type HashWorkers = ReturnType<typeof createHashWorkers>;

type HashWorkersOptions = {
  /** How many passwords are worked on at once: the number of threads. */
  concurrency: number;
  /** How many more may wait; what comes past that is refused at once. */
  queue: number;
};

/** A full queue takes about two seconds. Where cores are so short that it takes longer, an honest no is the better answer. */
const MAX_WAIT_MS = 5_000;

/** Called once: when it is this one's turn, or when it leaves before. */
type Waiting = { begin: () => void; leave: (reason: DomainError) => void };

/**
 * Worker threads of the lowest priority behind a bounded queue, so that a flood of sign-ins slows down sign-ins and
 * nothing else (libuv's own pool would starve the rest of the service).
 *
 * The queue is kept here and not left to the library: who waits for a client that has gone leaves it, while work that has
 * begun is let finish. The library would end the thread, and every abandoned sign-in would cost the start of a new one.
 */
export function createHashWorkers({ concurrency, queue }: HashWorkersOptions) {
  const workers = new Piscina({
    filename: new URL('./password-worker.js', import.meta.url).href,
    minThreads: 0,
    maxThreads: concurrency,
    idleTimeout: 60_000,
    // Nothing of this process's own flags: a loader for TypeScript, which a worker does not need, takes longer than it.
    execArgv: [],
  });
  // A set keeps the order in which things came.
  const waiting = new Set<Waiting>();
  let running = 0;
  let refused = 0;
  let isClosed = false;
  const hashing = new WeakMap<AbortSignal, { until: (now: number) => number }>();

  return {
    /** bcrypt of an input. @throws DomainError `overloaded`, also when the client leaves while this waits */
    hash: (input: string, cost: number, signal?: AbortSignal): Promise<string> => run({ input, cost }, signal),

    /**
     * Whether a bcrypt hash is of an input. A no takes as long as one of `fullCost`, however cheap the hash is.
     *
     * @throws DomainError `overloaded`, also when the client leaves while this waits
     */
    compare: (input: string, bcrypt: string, fullCost: number, signal?: AbortSignal): Promise<boolean> =>
      run({ input, bcrypt, fullCost }, signal),

    /**
     * What makes a new password easy to guess, and what would mend it, in plain words; empty when it will do.
     *
     * @param context words that the person or the service is known by
     * @throws DomainError `overloaded`, also when the client leaves while this waits
     */
    judge: (password: string, context: string[], signal?: AbortSignal): Promise<string[]> =>
      run({ password, context }, signal),

    /** How many wait for their turn. */
    waiting: (): number => waiting.size,

    /** How many are being worked on. */
    running: (): number => running,

    /** How many were refused so far, because too many waited. */
    refused: (): number => refused,

    /** Milliseconds that passwords of the request with this signal have waited and been worked on, until now. */
    spentOn: (signal: AbortSignal): number => hashing.get(signal)?.until(performance.now()) ?? 0,

    async close(): Promise<void> {
      isClosed = true;
      for (const one of waiting) one.leave(closing());
      await workers.destroy();
    },
  };

  async function run<Result>(task: object, signal?: AbortSignal): Promise<Result> {
    const stop = startWatch(signal);
    try {
      return await runInTurn(task, signal);
    } finally {
      stop();
    }
  }

  /** A request works on one password at a time. */
  function startWatch(signal: AbortSignal | undefined): () => void {
    if (signal === undefined) return () => {};
    const startedAt = performance.now();
    const before = hashing.get(signal)?.until(startedAt) ?? 0;
    hashing.set(signal, { until: (now) => before + now - startedAt });
    return () => {
      const spent = before + performance.now() - startedAt;
      hashing.set(signal, { until: () => spent });
    };
  }

  async function runInTurn<Result>(task: object, signal?: AbortSignal): Promise<Result> {
    await turn(signal);
    try {
      return await workers.run(task);
    } catch (error) {
      throw isClosed ? closing(error) : error;
    } finally {
      running -= 1;
      for (const next of waiting) {
        next.begin();
        break;
      }
    }
  }

  /** Resolves when one of `concurrency` is free, which is then taken. */
  function turn(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(clientLeft());
    if (running < concurrency) {
      running += 1;
      return Promise.resolve();
    }
    if (waiting.size >= queue) {
      refused += 1;
      return Promise.reject(new DomainError('overloaded', { retryAfterSeconds: 1 }));
    }
    return new Promise((resolve, reject) => {
      const one: Waiting = {
        begin() {
          running += 1;
          stopWaiting();
          resolve();
        },
        leave(reason) {
          stopWaiting();
          reject(reason);
        },
      };
      const onAbort = () => one.leave(clientLeft());
      const stopWaiting = () => {
        waiting.delete(one);
        signal?.removeEventListener('abort', onAbort);
        clearTimeout(timer);
      };
      const timer = setTimeout(() => one.leave(new DomainError('overloaded', { retryAfterSeconds: 2 })), MAX_WAIT_MS);
      waiting.add(one);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }
}

/** The instance is about to end; another one will answer. */
function closing(cause?: unknown): DomainError {
  return new DomainError('unavailable', { retryAfterSeconds: 1, cause });
}

/** Nobody reads this answer; the log does, and whoever counts guesses: nothing was learned from this one. */
function clientLeft(): DomainError {
  return new DomainError('overloaded', { retryAfterSeconds: 1, cause: 'the client left while its password waited' });
}
