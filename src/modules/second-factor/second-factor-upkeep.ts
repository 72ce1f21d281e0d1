import type { SecondFactorRepository } from './second-factor-repository.js';

type InTransaction = <Result>(
  work: (repositories: { secondFactors: Pick<SecondFactorRepository, 'takeOver'> }) => Promise<Result>,
) => Promise<Result>;

type SecondFactorUpkeepOptions = {
  repository: Pick<SecondFactorRepository, 'countOrphans'>;
  inTransaction: InTransaction;
  /** Whether more than one app secret is listed: only then can anything be under an older one. */
  hasOlderSecrets: boolean;
  onTakenOver: (count: number) => void;
  /** Called at start with how many secrets no listed app secret opens: their people cannot sign in. */
  onOrphans: (count: number) => void;
  /** Secrets that do not open though their app secret is listed: somebody wrote to the table. */
  onUnreadable: (userIds: string[]) => void;
  onError: (error: unknown) => void;
};

const BATCH = 200;
/** While instances of two configurations run side by side, the others may still seal under the older secret. */
const LOOK_EVERY_MS = 60_000;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/**
 * Seals anew, under the first app secret, what is still under an older one, so that the older one can be dropped. Every
 * instance does this, beside its other work; each row is taken over by one.
 */
export function createSecondFactorUpkeep(options: SecondFactorUpkeepOptions) {
  const { repository, inTransaction, hasOlderSecrets, onTakenOver, onOrphans, onUnreadable, onError } = options;
  let timer: NodeJS.Timeout | undefined;
  let working: Promise<void> = Promise.resolve();
  let stopped = false;

  async function takeOverAll(): Promise<void> {
    let count = 0;
    const unreadable: string[] = [];
    for (let after: string | null = BEFORE_ALL; after !== null && !stopped; ) {
      const past: string = after;
      const batch = await inTransaction(({ secondFactors }) => secondFactors.takeOver(past, BATCH));
      count += batch.count;
      unreadable.push(...batch.unreadable);
      after = batch.last;
    }
    if (count > 0) onTakenOver(count);
    if (unreadable.length > 0) onUnreadable(unreadable);
  }

  function work(): void {
    working = takeOverAll()
      .catch(onError)
      .finally(() => {
        // Spread out, so that a hundred instances do not look in one moment.
        if (!stopped) timer = setTimeout(work, LOOK_EVERY_MS * (0.75 + Math.random() / 2)).unref();
      });
  }

  return {
    async start(): Promise<void> {
      const orphans = await repository.countOrphans();
      if (orphans > 0) onOrphans(orphans);
      if (hasOlderSecrets) work();
    },

    async stop(): Promise<void> {
      stopped = true;
      clearTimeout(timer);
      await working;
    },
  };
}
