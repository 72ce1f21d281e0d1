const KEY = 'gatehouse.session';

/** `kept`: there may be a session. `ending`: it was left, and Gatehouse could not be told yet. */
export type Hint = 'kept' | 'ending' | null;

/**
 * Survives a reload and is no secret: without it, visitors who never signed in would be asked for a session.
 *
 * @param inStorage whether to keep it there; a token store is its own hint
 */
export function openHint(inStorage: boolean) {
  let hint: Hint = null;
  let storage: Storage | undefined;
  try {
    if (inStorage) storage = localStorage;
  } catch {
    // Forbidden here: this page remembers by itself.
  }
  return {
    read: (): Hint => (storage ? (storage.getItem(KEY) as Hint) : hint),
    write(value: Hint): void {
      hint = value;
      if (value) storage?.setItem(KEY, value);
      else storage?.removeItem(KEY);
    },
  };
}
