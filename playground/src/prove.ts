import { type Client, GatehouseError } from '../../client/src/index.js';
import { byId } from './dom.js';
import { onSubmit, resetForm } from './form.js';

export type WithRecentSignIn = <Result>(work: () => Promise<Result>) => Promise<Result>;

/** Does what may need a recent sign-in (RFC 9470): if it does, asks for the password and does it again. */
export function createProof(client: Pick<Client, 'reauthenticate'>): WithRecentSignIn {
  const dialog = byId('prove', HTMLDialogElement);
  const form = byId('prove-form', HTMLFormElement);
  let isProved = false;

  onSubmit(form, async ({ password = '', code }) => {
    await client.reauthenticate({ password, ...(code ? { code } : {}) });
    isProved = true;
    dialog.close();
  });
  byId('prove-cancel').addEventListener('click', () => dialog.close());

  function ask(): Promise<boolean> {
    isProved = false;
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener(
        'close',
        () => {
          resetForm(form);
          resolve(isProved);
        },
        { once: true },
      );
    });
  }

  return async (work) => {
    try {
      return await work();
    } catch (error) {
      const isTooOld = error instanceof GatehouseError && error.code === 'insufficient_user_authentication';
      if (!isTooOld || !(await ask())) throw error;
      return work();
    }
  };
}
