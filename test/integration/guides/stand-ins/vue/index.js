/** What the scope that runs at the moment will do when it ends. */
let disposals;

export function scope(setup) {
  const own = [];
  disposals = own;
  const result = setup();
  disposals = undefined;
  return { result, stop: () => own.forEach((dispose) => void dispose()) };
}

export const onScopeDispose = (dispose) => void disposals.push(dispose);
export const shallowRef = (value) => ({ value });
export const ref = shallowRef;
export const readonly = (target) => ({
  get value() {
    return target.value;
  },
});
