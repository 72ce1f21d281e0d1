/** What the guides use of React Native, as https://reactnative.dev/docs/appstate describes it. */
export const AppState: {
  addEventListener(type: 'change', listener: (state: 'active' | 'background' | 'inactive') => void): { remove(): void };
};
