/** The component that is set up at the moment. */
let settingUp;

/** Sets a composable up as a server does, which neither mounts nor unmounts. */
export function renderOnServer(setup) {
  return setUp(setup).result.value;
}

/** As in a page: `renders` is what its ref held when it was first drawn, and at each change. */
export function mount(setup) {
  const { component, result } = setUp(setup);
  const renders = [result.value];
  component.update = () => renders.push(result.value);
  for (const run of component.onMounted) run();
  return { renders, unmount: () => component.onUnmounted.forEach((run) => void run()) };
}

function setUp(setup) {
  const component = { onMounted: [], onUnmounted: [], update() {} };
  settingUp = component;
  const result = setup();
  settingUp = undefined;
  return { component, result };
}

export const onMounted = (run) => void settingUp.onMounted.push(run);
export const onUnmounted = (run) => void settingUp.onUnmounted.push(run);

export function shallowRef(initial) {
  const component = settingUp;
  let value = initial;
  return {
    get value() {
      return value;
    },
    set value(next) {
      if (Object.is(value, next)) return;
      value = next;
      component.update();
    },
  };
}

export const ref = shallowRef;
export const readonly = (target) => ({
  get value() {
    return target.value;
  },
});
