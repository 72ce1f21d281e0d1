import type { Said } from './describe.js';
import { byId, make } from './dom.js';

/** Long enough for the longest scene; a page that is open for days must not grow. */
const KEPT_LINES = 40;

type Actor = 'browser' | 'thief';

export type Diagram = ReturnType<typeof createDiagram>;

/**
 * The sequence diagram: a list of what was said, in order, which its styles draw as arrows between lifelines. What the
 * arrows show, the list says in words, for those who do not see them.
 */
export function createDiagram() {
  const frame = byId('diagram');
  const scroll = byId('diagram-scroll');
  const lines = byId('lines', HTMLOListElement);
  const silence = byId('silence');
  byId('clear').addEventListener('click', clear);

  function add(line: HTMLLIElement): HTMLLIElement {
    silence.hidden = true;
    lines.append(line);
    while (lines.childElementCount > KEPT_LINES) lines.firstElementChild?.remove();
    frame.toggleAttribute('data-thief', lines.querySelector('[data-actor=thief]') !== null);
    return line;
  }

  function arrow(way: 'out' | 'back' | 'both', said: Said, actor: Actor, speaker?: string, took?: number) {
    const who = actor === 'thief' ? 'Thief' : (speaker ?? 'Browser');
    const direction = { out: `${who} to server: `, back: `Server to ${who.toLowerCase()}: `, both: `${who}, server: ` };
    return add(
      make(
        'li',
        { class: 'arrow', 'data-way': way, 'data-actor': actor, 'data-bad': said.isBad },
        make(
          'span',
          { class: 'said' },
          make('span', { class: 'visually-hidden' }, direction[way]),
          speaker && make('span', { class: 'speaker', 'aria-hidden': 'true' }, speaker),
          ' ',
          make('code', {}, said.label),
          said.carries && ' ',
          said.carries && make('span', { class: 'carries' }, said.carries),
          took !== undefined && ' ',
          took !== undefined && make('span', { class: 'took' }, `${Math.max(1, Math.round(took))} ms`),
        ),
        make('span', { class: 'shaft', 'aria-hidden': 'true' }),
      ),
    );
  }

  function breakOff(line: HTMLLIElement, text: string): void {
    line.toggleAttribute('data-broken', true);
    line.toggleAttribute('data-bad', true);
    line.firstElementChild?.append(' ', make('span', { class: 'carries' }, text));
  }

  function clear(): void {
    lines.replaceChildren();
    silence.hidden = false;
    frame.toggleAttribute('data-thief', false);
  }

  return {
    request(said: Said, speaker?: string, actor: Actor = 'browser') {
      const line = arrow('out', said, actor, speaker);
      return {
        neverArrives: () => breakOff(line, 'does not arrive'),
        goesUnanswered: () => breakOff(line, 'no answer'),
      };
    },

    answer(said: Said, speaker?: string, tookMs?: number, actor: Actor = 'browser'): void {
      arrow('back', said, actor, speaker, tookMs);
    },

    /** Carried out, and never heard of. */
    lostAnswer(speaker?: string): void {
      const said = { label: '200', carries: 'a new pair of tokens', isBad: true };
      breakOff(arrow('back', said, 'browser', speaker), 'the answer is lost on its way');
    },

    /** A question and its answer in one short line. */
    passing(said: Said, answer: Said): void {
      const carries = [said.carries, answer.carries].filter(Boolean).join(' → ');
      arrow('both', { label: `${said.label} · ${answer.label}`, carries, isBad: false }, 'browser');
    },

    /** What the browser's side makes of it. */
    note(text: string, isBad = false): void {
      add(make('li', { class: 'note', 'data-bad': isBad }, make('span', {}, text)));
    },

    /** Where something begins that was asked for by a button. */
    scene(title: string): void {
      add(make('li', { class: 'scene' }, make('span', {}, title)));
      frame.scrollIntoView({ block: 'nearest' });
      // Its end: see the styles.
      scroll.scrollTop = 0;
    },

    sceneEnd(outcome: string): void {
      add(make('li', { class: 'scene-end' }, outcome));
    },
  };
}
