/** The one component that is rendered at the moment. */
let rendering;

/** Renders a hook anew whenever the store's snapshot is another one, as React does for a component of its own. */
export function mount(hook) {
  const component = { renders: [], unsubscribe: undefined, getSnapshot: undefined, shown: undefined, render };
  function render() {
    rendering = component;
    component.renders.push(hook());
    rendering = undefined;
  }
  render();
  return { renders: component.renders, unmount: () => component.unsubscribe?.() };
}

export function useSyncExternalStore(subscribe, getSnapshot) {
  const component = rendering;
  component.shown = getSnapshot();
  component.unsubscribe ??= subscribe(() => {
    if (!Object.is(component.shown, getSnapshot())) component.render();
  });
  return component.shown;
}
