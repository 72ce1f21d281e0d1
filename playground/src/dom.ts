type Attributes = Record<string, string | number | boolean | undefined>;
type Child = Node | string | null | undefined | false;

/** Makes an element by DOM calls alone: no text ever becomes markup. `true` sets an empty attribute, `false` none. */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The element of the page with this id. @throws when index.html has none of that kind */
export function byId<Kind extends HTMLElement = HTMLElement>(id: string, kind?: new () => Kind): Kind {
  const element = document.getElementById(id);
  if (!(element instanceof (kind ?? HTMLElement))) throw new Error(`index.html has no such element: #${id}`);
  return element as Kind;
}

export function button(label: string, kind: 'primary' | 'secondary' | 'plain', onClick: () => unknown) {
  const element = make('button', { type: 'button', class: kind }, label);
  element.addEventListener('click', onClick);
  return element;
}

/** A point in time, short for the eye and whole for machines and for whoever rests the pointer on it. */
export function timeOf(at: string): HTMLTimeElement {
  const date = new Date(at);
  const isToday = date.toDateString() === new Date().toDateString();
  const short: Intl.DateTimeFormatOptions = isToday
    ? { hour: '2-digit', minute: '2-digit', second: '2-digit' }
    : { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' };
  return make('time', { datetime: at, title: date.toLocaleString() }, date.toLocaleString(undefined, short));
}
