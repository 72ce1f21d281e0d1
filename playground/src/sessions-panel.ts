import type { Client, ListedSession } from '../../client/src/index.js';
import { button, byId, make, timeOf } from './dom.js';
import { messageOf } from './form.js';
import { say } from './news.js';
import { createPanel, type Panel } from './panel.js';

/** Where this person is signed in. @param afterEnding of one or several */
export function createSessionsPanel(client: Client, hasScenes: boolean, afterEnding: () => void): Panel {
  const panel = createPanel(byId('sessions-body'), client.sessions.list, draw);

  function draw(sessions: ListedSession[]): Node[] {
    const others = sessions.length - 1;
    return [
      make('ul', { class: 'rows' }, ...sessions.map(row)),
      make(
        'p',
        { class: 'actions' },
        others > 0 && button(others === 1 ? 'End the other one' : `End the ${others} others`, 'plain', endOthers),
        // Where things can go wrong on purpose, that is one of them.
        !hasScenes && button('Sign out everywhere', 'plain', () => end(client.sessions.endAll())),
      ),
      ...(others === 0 ? [make('p', { class: 'quiet' }, 'Sign in with another browser, and it appears here.')] : []),
    ];
  }

  function row({ id, current, device, ip, last_used_at }: ListedSession): HTMLLIElement {
    const name = device ?? 'An unknown device';
    const endOne = button('End', 'plain', () => end(client.sessions.end(id)));
    endOne.setAttribute('aria-label', `End ${current ? 'this session' : name}`);
    return make(
      'li',
      {},
      make(
        'div',
        {},
        make('strong', {}, name),
        current && make('span', { class: 'tag' }, 'this one'),
        make('p', { class: 'quiet' }, ip ?? '', ' · last used ', timeOf(last_used_at)),
      ),
      endOne,
    );
  }

  function endOthers(): void {
    end(client.sessions.endOthers());
  }

  function end(ending: Promise<void>): void {
    ending.then(afterEnding, (error) => say(messageOf(error)));
  }

  return panel;
}
