import type { SigningAlgorithm } from '../../shared/signing-algorithm.js';
import type { SigningKeyRepository } from './signing-key-repository.js';
import { decideDue, isNothing, type KeyChanges } from './signing-key-schedule.js';
import type { SigningKeys } from './signing-keys.js';

type SigningKeyUpkeepOptions = {
  repository: Pick<SigningKeyRepository, 'change' | 'encryptUnderFirstSecret'>;
  keys: Pick<SigningKeys, 'reload'>;
  algorithm: SigningAlgorithm;
  /** 0 = only by hand. */
  rotationDays: number;
  /** Called by the one instance that made the changes. */
  onChange: (changes: KeyChanges) => void;
  onError: (error: unknown) => void;
};

/** A change is heard at once (NOTIFY); this finds what was not heard. */
const RELOAD_EVERY_MS = 5_000;
const TEND_EVERY_MS = 60_000;

/**
 * Keeps the keys in order, and an instance's memory of them up to date. Every instance does this; the repository's
 * lock sees to it that what is due happens once.
 */
export function createSigningKeyUpkeep(options: SigningKeyUpkeepOptions) {
  const { repository, keys, algorithm, rotationDays, onChange, onError } = options;
  let reloading: NodeJS.Timeout | undefined;
  let tending: NodeJS.Timeout | undefined;
  let stopped = false;

  /** The configured algorithm counts at start only: instances of two configurations must not undo each other's keys. */
  async function tend(whenLocked: 'wait' | 'leave', wanted: { algorithm?: SigningAlgorithm } = {}): Promise<void> {
    const changes = await repository.change((all, now) => decideDue(all, now, { rotationDays, ...wanted }), {
      whenLocked,
    });
    await repository.encryptUnderFirstSecret();
    if (changes !== null && !isNothing(changes)) onChange(changes);
  }

  function tendLater(): void {
    // Spread out, so that a hundred instances do not ask in one moment.
    const wait = TEND_EVERY_MS * (0.75 + Math.random() / 2);
    tending = setTimeout(() => {
      tend('leave')
        .catch(onError)
        .finally(() => {
          if (!stopped) tendLater();
        });
    }, wait).unref();
  }

  /** Reads the keys again: when a change was heard, or some may have been missed. */
  function refresh(): void {
    keys.reload().catch(onError);
  }

  return {
    /** Makes the first keys if there are none, and loads all. @throws when that cannot be done */
    async start(): Promise<void> {
      await tend('wait', { algorithm });
      await keys.reload();
      reloading = setInterval(refresh, RELOAD_EVERY_MS).unref();
      tendLater();
    },

    refresh,

    stop(): void {
      stopped = true;
      clearInterval(reloading);
      clearTimeout(tending);
    },
  };
}
