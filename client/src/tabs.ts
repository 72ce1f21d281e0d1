/**
 * How long one tab waits for another: longer than a request of that one can last, so that no answer comes late and puts
 * an older cookie back. Past it the other tab is frozen, and the server keeps parallel refreshes right anyway.
 */
const LOCK_TIMEOUT_MS = 12_000;

export type Tabs<Message> = {
  /** Runs what changes the cookie: one at a time, in all tabs where they can lock, else in this one. */
  exclusively<T>(work: () => Promise<T>): Promise<T>;
  tell(message: Message): void;
  close(): void;
};

/**
 * The tabs of one browser share one cookie, and with this one refresh.
 *
 * @param name of the lock and the channel; none where there are no other tabs
 */
export function connectTabs<Message>(
  name: string | false | undefined,
  onMessage: (message: Message) => void,
): Tabs<Message> {
  const locks = name && navigator.locks;
  let channel = name && globalThis.BroadcastChannel ? new BroadcastChannel(name) : undefined;
  if (channel) channel.onmessage = ({ data }) => onMessage(data);
  let last: Promise<unknown> = Promise.resolve();

  async function locked<T>(work: () => Promise<T>): Promise<T> {
    let begun: Promise<T> | undefined;
    const begin = () => {
      begun = work();
      return begun;
    };
    if (!locks) return begin();
    try {
      return await locks.request(name, { signal: AbortSignal.timeout(LOCK_TIMEOUT_MS) }, begin);
    } catch {
      return begun ?? begin();
    }
  }

  return {
    exclusively(work) {
      const run = last.then(() => locked(work));
      last = run.catch(() => {});
      return run;
    },
    tell: (message) => channel?.postMessage(message),
    close() {
      channel?.close();
      channel = undefined;
    },
  };
}
