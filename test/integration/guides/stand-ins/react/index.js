/** The one component that is rendered at the moment, and which of its hooks comes next. */
let rendering;
let next;

/** Renders a hook as React does for a component of its own: anew after each change, and effects after each render. */
export function mount(hook) {
  const component = { hooks: [], effects: [], isScheduled: false, isMounted: true, update };
  const renders = [];
  function render() {
    component.isScheduled = false;
    rendering = component;
    next = 0;
    renders.push(hook());
    rendering = undefined;
    for (const run of component.effects.splice(0)) run();
  }
  function update() {
    if (component.isScheduled || !component.isMounted) return;
    component.isScheduled = true;
    queueMicrotask(() => component.isMounted && render());
  }
  function unmount() {
    component.isMounted = false;
    for (const { cleanUp } of component.hooks) cleanUp?.();
  }
  render();
  return { renders, unmount };
}

/** Renders once, and runs no effects. */
export function renderOnServer(hook) {
  rendering = { hooks: [], effects: [], isOnServer: true };
  next = 0;
  const result = hook();
  rendering = undefined;
  return result;
}

function useOwn(initial) {
  const component = rendering;
  const index = next++;
  component.hooks[index] ??= initial;
  return [component.hooks[index], component];
}

export function useState(initial) {
  const [own, component] = useOwn({ state: initial });
  const set = (state) => {
    if (Object.is(own.state, state)) return;
    own.state = state;
    component.update();
  };
  return [own.state, set];
}

export function useEffect(effect, dependencies) {
  const [own, component] = useOwn({ dependencies: [Symbol('none yet')] });
  if (dependencies?.every((one, index) => Object.is(one, own.dependencies[index]))) return;
  own.dependencies = dependencies ?? [Symbol('never the same')];
  component.effects.push(() => {
    own.cleanUp?.();
    own.cleanUp = effect();
  });
}

export function useSyncExternalStore(subscribe, getSnapshot, getServerSnapshot) {
  const [own, component] = useOwn({});
  own.shown = component.isOnServer ? getServerSnapshot() : getSnapshot();
  useEffect(() => {
    const check = () => Object.is(own.shown, getSnapshot()) || component.update();
    const unsubscribe = subscribe(check);
    check();
    return unsubscribe;
  }, [subscribe]);
  return own.shown;
}
