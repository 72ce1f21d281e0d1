import type { Api } from './api.js';
import { button, byId, make } from './dom.js';
import { messageOf, onSubmit } from './form.js';
import { say } from './news.js';
import type { WithRecentSignIn } from './prove.js';
import { createPassword, createTextField } from './second-factor-fields.js';

type Status = { enabled: boolean; recovery_codes_left: number };
type Enrolment = { secret: string; otpauth_url: string };
type SecondFactorOptions = { api: Api; withRecentSignIn: WithRecentSignIn; onChange: () => void };

/** Turns the second factor on and off. Its secret and its recovery codes are in the page only while they are shown. */
export function createSecondFactor({ api, withRecentSignIn, onChange }: SecondFactorOptions) {
  const details = byId('second-factor', HTMLDetailsElement);
  const body = byId('second-factor-body');
  const state = byId('second-factor-state');

  details.addEventListener('toggle', () => {
    if (details.open) void load();
    else body.replaceChildren();
  });

  async function load(): Promise<void> {
    body.replaceChildren(make('p', { class: 'quiet' }, 'Loading…'));
    try {
      const status = await api.own<Status>('GET', '/v1/me/second-factor');
      state.textContent = status.enabled ? 'on' : 'off';
      if (details.open) body.replaceChildren(status.enabled ? offForm(status) : onButton());
    } catch (error) {
      body.replaceChildren(
        make('p', { class: 'error' }, messageOf(error)),
        button('Try again', 'plain', () => load()),
      );
    }
  }

  function onButton(): HTMLFormElement {
    const form = make(
      'form',
      {},
      make('p', {}, 'With one, a password alone does not sign in: it takes a code of an app on your phone as well.'),
      make('p', { class: 'actions' }, make('button', { class: 'secondary' }, 'Turn it on')),
    );
    onSubmit(form, async () => {
      enrol(await withRecentSignIn(() => api.own<Enrolment>('POST', '/v1/me/second-factor')));
    });
    return form;
  }

  function enrol({ secret, otpauth_url }: Enrolment): void {
    const code = createTextField('/code', 'Code that the app shows', 'one-time-code');
    const form = make(
      'form',
      { novalidate: true },
      make('p', {}, 'Give this secret to an authenticator app, or the address, if the app takes one.'),
      copyable('Secret', secret),
      copyable('Address', otpauth_url),
      code.field,
      make('p', { class: 'actions' }, make('button', { class: 'primary' }, 'Confirm')),
    );
    onSubmit(form, async ({ code = '' }) => {
      const confirm = () =>
        api.own<{ recovery_codes: string[] }>('POST', '/v1/me/second-factor/confirm', { code: code.trim() });
      const { recovery_codes } = await withRecentSignIn(confirm);
      state.textContent = 'on';
      showRecoveryCodes(recovery_codes);
      onChange();
    });
    body.replaceChildren(form);
    code.input.focus();
  }

  function showRecoveryCodes(codes: string[]): void {
    const done = button('I have kept them', 'secondary', () => load());
    body.replaceChildren(
      make(
        'p',
        {},
        'It is on. Each of these codes signs in once, should the phone be gone. They are never shown again.',
      ),
      make('ul', { class: 'codes' }, ...codes.map((code) => make('li', {}, make('code', {}, code)))),
      make('p', { class: 'actions' }, copyButton('Copy all', codes.join('\n')), done),
    );
    done.focus();
  }

  function offForm({ recovery_codes_left }: Status): HTMLFormElement {
    const password = createPassword('Password');
    const code = createTextField('/code', 'Code, or a recovery code', 'one-time-code');
    const form = make(
      'form',
      { novalidate: true },
      make('p', {}, `It is on, with ${recovery_codes_left} recovery codes left. Turning it off takes both.`),
      password.field,
      code.field,
      make('p', { class: 'actions' }, make('button', { class: 'secondary' }, 'Turn it off')),
    );
    onSubmit(form, async ({ password, code = '' }) => {
      const proof = { password, code: code.replaceAll(' ', '') };
      await withRecentSignIn(() => api.own('POST', '/v1/me/second-factor/disable', proof));
      say('The second factor is off.');
      onChange();
      await load();
      details.querySelector('summary')?.focus();
    });
    return form;
  }

  return {
    /** For whoever comes next, nothing of whoever was here before. */
    reset(): void {
      details.open = false;
      state.textContent = '';
      body.replaceChildren();
    },
  };
}

function copyable(label: string, text: string): HTMLElement {
  return make(
    'div',
    { class: 'copyable' },
    make('span', { class: 'quiet' }, label),
    make('code', {}, text),
    copyButton(`Copy ${label.toLowerCase()}`, text),
  );
}

function copyButton(label: string, text: string): HTMLButtonElement {
  const copy = button(label, 'plain', async () => {
    const isCopied = await navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
    say(isCopied ? 'Copied.' : 'The browser did not let it be copied. Mark and copy it by hand.');
  });
  return copy;
}
