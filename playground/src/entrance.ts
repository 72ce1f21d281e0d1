import type { Client } from '../../client/src/index.js';
import type { Api } from './api.js';
import { byId } from './dom.js';
import { onSubmit, resetForm } from './form.js';
import { say } from './news.js';

const EXAMPLE_PASSWORD = 'correct horse battery staple';

type EntranceOptions = { client: Client; api: Api; hasMailbox: boolean };

/** The forms of whoever is not signed in: sign up, sign in, its second step, and a new password. One at a time. */
export function createEntrance({ client, api, hasMailbox }: EntranceOptions) {
  const enter = byId('enter', HTMLFormElement);
  const code = byId('code', HTMLFormElement);
  const forgot = byId('forgot', HTMLFormElement);
  const email = byId('email', HTMLInputElement);
  const password = byId('password', HTMLInputElement);
  const forgotEmail = byId('forgot-email', HTMLInputElement);
  const mailPlace = hasMailbox ? 'the mailbox on this page' : 'your mailbox';
  /** Between the two steps of a sign-in; good for some minutes, and never shown. */
  let mfaToken = '';

  function show(form: HTMLFormElement): void {
    for (const one of [enter, code, forgot]) {
      one.hidden = one !== form;
      if (one !== form && one !== enter) resetForm(one);
    }
    // Why somebody is out is old news by then.
    if (form !== enter) byId('sign-out-reason').hidden = true;
  }

  function chooseWay(): void {
    const isNew = new FormData(enter).get('way') === 'register';
    const submit = enter.querySelector('.primary');
    if (submit) submit.textContent = isNew ? 'Sign up' : 'Sign in';
    password.autocomplete = isNew ? 'new-password' : 'current-password';
    byId('forgot-open').hidden = isNew;
    byId('example').hidden = !isNew || !hasMailbox;
  }

  function startAgain(): void {
    mfaToken = '';
    password.value = '';
    show(enter);
  }

  function suggestSignIn(): void {
    enter.querySelector<HTMLInputElement>('input[value=login]')?.click();
  }

  enter.addEventListener('change', chooseWay);
  chooseWay();

  onSubmit(enter, async ({ way, email = '', password = '' }) => {
    say('');
    if (way === 'register') {
      const user = await client.register({ email, password });
      if (!user) say(`Open the link in ${mailPlace} first, then sign in.`);
      return;
    }
    const answer = await client.login({ email, password });
    if (answer.mfaToken === undefined) return;
    mfaToken = answer.mfaToken;
    show(code);
    byId('code-title').focus();
  });

  onSubmit(code, ({ code = '' }) => client.verifySecondFactor({ mfaToken, code: code.replaceAll(' ', '') }));

  onSubmit(forgot, async ({ email }) => {
    await api.open('POST', '/v1/auth/password/forgot', { email });
    startAgain();
    say(`If there is an account with this address, a mail is on its way to ${mailPlace}.`);
    suggestSignIn();
    byId('email').focus();
  });

  byId('code-cancel').addEventListener('click', () => {
    startAgain();
    email.focus();
  });
  byId('forgot-cancel').addEventListener('click', () => {
    startAgain();
    email.focus();
  });
  byId('forgot-open').addEventListener('click', () => {
    say('');
    forgotEmail.value = email.value;
    show(forgot);
    byId('forgot-title').focus();
  });
  byId('example').addEventListener('click', () => {
    email.value = `ada-${crypto.randomUUID().slice(0, 4)}@example.com`;
    password.value = EXAMPLE_PASSWORD;
    say(`The example's password: ${EXAMPLE_PASSWORD}`);
    enter.querySelector<HTMLButtonElement>('.primary')?.focus();
  });

  return {
    /** Nothing that was typed stays behind in the page. */
    reset(): void {
      startAgain();
      const { value } = email;
      const way = enter.querySelector<HTMLInputElement>('input[name=way]:checked');
      resetForm(enter);
      email.value = value;
      if (way) way.checked = true;
      chooseWay();
    },
    /** To whoever has an account now. */
    suggestSignIn,
  };
}
