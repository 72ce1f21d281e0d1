/** What the guides use of Vue, as https://vuejs.org/api/ describes it. */
export type Ref<Value> = { value: Value };
export function ref<Value>(value: Value): Ref<Value>;
export function shallowRef<Value>(): Ref<Value | undefined>;
export function shallowRef<Value>(value: Value): Ref<Value>;
export function readonly<Target extends object>(target: Target): Readonly<Target>;
export function onMounted(run: () => void): void;
export function onUnmounted(run: () => void): void;

/** Only of the stand-in: what a component's composable holds on a server. */
export function renderOnServer<Value>(setup: () => Ref<Value>): Value;
/** Only of the stand-in: what it holds in a page, when that is first drawn and at each change. */
export function mount<Value>(setup: () => Ref<Value>): { renders: Value[]; unmount(): void };
