import { button, make } from './dom.js';
import { messageOf } from './form.js';

export type Panel = { load(): Promise<void>; empty(text: string): void };

/**
 * Where something is loaded and shown: says so while it loads for the first time, and what went wrong, with a way to
 * try again. What is there stays until the new is there.
 */
export function createPanel<Content>(
  body: HTMLElement,
  get: () => Promise<Content>,
  draw: (content: Content) => Node[],
): Panel {
  /** Only the newest question may draw, and none after the panel was emptied. */
  let asked = 0;

  function empty(text: string): void {
    asked += 1;
    body.removeAttribute('aria-busy');
    body.replaceChildren(make('p', { class: 'quiet' }, text));
  }

  async function load(): Promise<void> {
    asked += 1;
    const mine = asked;
    body.setAttribute('aria-busy', 'true');
    if (!body.querySelector('ul')) body.replaceChildren(make('p', { class: 'quiet' }, 'Loading…'));
    try {
      const content = await get();
      if (mine === asked) body.replaceChildren(...draw(content));
    } catch (error) {
      if (mine !== asked) return;
      const again = button('Try again', 'plain', () => load());
      body.replaceChildren(make('p', { class: 'error' }, messageOf(error)), again);
    } finally {
      if (mine === asked) body.removeAttribute('aria-busy');
    }
  }

  return { load, empty };
}
