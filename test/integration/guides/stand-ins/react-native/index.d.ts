/** What the guides use of React Native, as https://reactnative.dev/docs/appstate describes it. */
export const AppState: {
  addEventListener(type: 'change', listener: (state: 'active' | 'background' | 'inactive') => void): { remove(): void };
};

/** Only of the stand-in: the app comes to the foreground, or leaves it. */
export function become(state: 'active' | 'background' | 'inactive'): void;
