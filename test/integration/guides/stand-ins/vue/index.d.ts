/** What the guides use of Vue, as https://vuejs.org/api/ describes it. */
export type Ref<Value> = { value: Value };
export function ref<Value>(value: Value): Ref<Value>;
export function shallowRef<Value>(value: Value): Ref<Value>;
export function readonly<Target extends object>(target: Target): Readonly<Target>;
export function onScopeDispose(dispose: () => void): void;

/** Only of the stand-in: runs what a component's setup would, and says how to end it. */
export function scope<Result>(setup: () => Result): { result: Result; stop(): void };
