/** What the guides use of React, as https://react.dev/reference/react describes it. */
export function useSyncExternalStore<Snapshot>(
  subscribe: (onStoreChange: () => void) => () => void,
  getSnapshot: () => Snapshot,
  getServerSnapshot?: () => Snapshot,
): Snapshot;
export function useState<State>(): [State | undefined, (next: State | undefined) => void];
export function useState<State>(initial: State): [State, (next: State) => void];
export function useEffect(effect: () => (() => void) | undefined, dependencies?: readonly unknown[]): void;
export type FormEvent<Target> = { currentTarget: Target; preventDefault(): void };

/** Only of the stand-in: shows what one component's hook returns, each time that it renders. */
export function mount<Result>(hook: () => Result): { renders: Result[]; unmount(): void };
/** Only of the stand-in: what it returns on a server. */
export function renderOnServer<Result>(hook: () => Result): Result;
