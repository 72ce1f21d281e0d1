import { Piscina } from 'piscina';
import { DomainError } from '../../shared/domain-error.js';

export type HashWorkers = ReturnType<typeof createHashWorkers>;

type HashWorkersOptions = {
  /** How many passwords are hashed at once. */
  concurrency: number;
  /** How many more may wait; what comes past that is refused at once. */
  queue: number;
};

/**
 * Worker threads of the lowest priority behind a bounded queue, so that a flood of sign-ins slows down sign-ins and
 * nothing else (libuv's own pool would starve the rest of the service).
 */
export function createHashWorkers({ concurrency, queue }: HashWorkersOptions) {
  const workers = new Piscina({
    filename: new URL('./password-worker.js', import.meta.url).href,
    minThreads: 0,
    maxThreads: concurrency,
    maxQueue: queue,
    idleTimeout: 60_000,
    // Nothing of this process's own flags: a loader for TypeScript, which a worker does not need, takes longer than it.
    execArgv: [],
  });
  return {
    /** bcrypt of an input. @throws DomainError `overloaded` */
    hash: (input: string, cost: number): Promise<string> => run({ input, cost }),
    /** Whether a bcrypt hash is of an input. @throws DomainError `overloaded` */
    compare: (input: string, bcrypt: string): Promise<boolean> => run({ input, bcrypt }),
    close: (): Promise<void> => workers.destroy(),
  };

  async function run<Result>(task: object): Promise<Result> {
    if (workers.queueSize >= queue) throw new DomainError('overloaded', { retryAfterSeconds: 1 });
    return workers.run(task);
  }
}
