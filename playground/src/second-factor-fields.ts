import { make } from './dom.js';

type Field = { field: HTMLElement; input: HTMLInputElement };

/** @param path as the API names the field in its errors */
export function createTextField(path: string, label: string, autocomplete: string): Field {
  return fieldOf(path, label, { autocomplete, autocapitalize: 'none', spellcheck: 'false' });
}

export function createPassword(label: string): Field {
  return fieldOf('/password', label, { type: 'password', autocomplete: 'current-password' });
}

function fieldOf(path: string, label: string, attributes: Record<string, string>): Field {
  const name = path.slice(1);
  const id = `second-factor-${name}`;
  const input = make('input', { id, name, ...attributes });
  return { input, field: make('div', { class: 'field', 'data-path': path }, make('label', { for: id }, label), input) };
}
