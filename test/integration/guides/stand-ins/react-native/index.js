const listeners = new Set();

export const AppState = {
  addEventListener(_type, listener) {
    listeners.add(listener);
    return { remove: () => listeners.delete(listener) };
  },
};

export function become(state) {
  for (const listener of listeners) listener(state);
}
