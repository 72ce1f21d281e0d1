import { GatehouseError } from '../../client/src/index.js';
import { make } from './dom.js';

/** What went wrong, in words for the reader. */
export function messageOf(error: unknown): string {
  if (!(error instanceof GatehouseError)) return error instanceof Error ? error.message : String(error);
  if (error.code === 'network_error') return 'The server does not answer. Nothing is lost: try again in a moment.';
  if (error.code === 'unexpected_answer') return `The answer (${error.status}) was not one of Gatehouse's.`;
  const wait = error.retryAfter ? ` Wait ${error.retryAfter} seconds.` : '';
  return `${error.message}${wait}`;
}

/**
 * Lets a form be sent once at a time, and shows what was refused next to the field that it is about; what is about none
 * of them stands above the buttons.
 *
 * @param send gets the fields' values; what it throws is shown
 */
export function onSubmit(form: HTMLFormElement, send: (values: Record<string, string>) => Promise<unknown>): void {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (form.getAttribute('aria-busy') === 'true') return;
    void submit(form, send);
  });
  // What is being mended is not wrong any more.
  form.addEventListener('input', ({ target }) => {
    if (target instanceof HTMLElement) clearField(target.closest('.field'));
  });
}

/** Forgets what was typed and what was wrong with it. */
export function resetForm(form: HTMLFormElement): void {
  form.reset();
  clearErrors(form);
}

async function submit(form: HTMLFormElement, send: (values: Record<string, string>) => Promise<unknown>) {
  clearErrors(form);
  form.setAttribute('aria-busy', 'true');
  const values = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]));
  try {
    await send(values);
  } catch (error) {
    showError(form, error);
  } finally {
    form.removeAttribute('aria-busy');
  }
}

function showError(form: HTMLFormElement, error: unknown): void {
  const rest: string[] = [];
  let first: HTMLElement | undefined;
  for (const { path, message } of (error instanceof GatehouseError && error.errors) || []) {
    const field = form.querySelector<HTMLElement>(`.field[data-path="${CSS.escape(path)}"]:not([hidden])`);
    const input = field?.querySelector('input');
    if (!field || !input) rest.push(`${path.slice(1)}: ${message}`);
    else {
      const id = `${input.id}-error`;
      const shown = document.getElementById(id);
      if (shown) shown.append(` ${message}`);
      else field.append(make('p', { id, class: 'error' }, message));
      input.setAttribute('aria-invalid', 'true');
      input.setAttribute('aria-describedby', id);
      first ??= input;
    }
  }
  if (!first) rest.unshift(messageOf(error));
  if (rest.length > 0) {
    form.querySelector('.actions')?.before(make('p', { class: 'error', role: 'alert' }, rest.join(' ')));
  }
  first?.focus();
}

function clearErrors(form: HTMLFormElement): void {
  for (const field of form.querySelectorAll('.field')) clearField(field);
  for (const error of form.querySelectorAll('.error')) error.remove();
}

function clearField(field: Element | null): void {
  field?.querySelector('.error')?.remove();
  const input = field?.querySelector('input');
  input?.removeAttribute('aria-invalid');
  input?.removeAttribute('aria-describedby');
}
