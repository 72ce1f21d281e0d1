/** Lets one part tell another that something is up, before that other part is there. */
export function createSignal() {
  let listener: () => void = () => {};

  return {
    raise: (): void => listener(),
    onRaise(heard: () => void): void {
      listener = heard;
    },
  };
}
