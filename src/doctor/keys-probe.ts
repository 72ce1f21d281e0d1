import type { StoredSigningKey } from '../modules/tokens/signing-key-repository.js';
import { type Check, failed, ok, warning } from './check.js';

const DAY_MS = 86_400_000;
/** An instance looks every minute; what is overdue for days is looked after by nobody. */
const OVERDUE_DAYS = 2;

/** Whether the stored signing keys can be used with these secrets, and are looked after. */
export function judgeKeys(keys: readonly StoredSigningKey[], rotationDays: number, now: Date): Check[] {
  const living = keys.filter(({ status }) => status !== 'revoked');
  if (living.length === 0) return [ok('keys', 'There are no signing keys yet; the first instance makes them.')];
  const sealed = living.filter((key) => key.status !== 'retired' && !opens(key));
  if (sealed.length > 0) {
    return [
      failed(
        'keys',
        `${sealed.length} signing keys cannot be opened with APP_SECRETS.`,
        'Put the secret under which they were sealed back into APP_SECRETS, behind the first (docs/keys-and-secrets.md).',
      ),
    ];
  }
  const active = living.find(({ status }) => status === 'active');
  const next = living.find(({ status }) => status === 'next');
  if (!active || !next) {
    const lacking = active ? 'next' : 'active';
    return [
      warning(
        'keys',
        `There is no ${lacking} signing key.`,
        'A running instance makes one within a minute: is one running?',
      ),
    ];
  }
  const ageDays = (now.getTime() - (active.activatedAt ?? active.createdAt).getTime()) / DAY_MS;
  if (rotationDays > 0 && ageDays > rotationDays + OVERDUE_DAYS) {
    return [
      warning(
        'keys',
        `The active signing key is ${Math.floor(ageDays)} days old, and was to be replaced after ${rotationDays}.`,
        'Instances rotate keys by themselves: look at their log for "signing keys", or run node dist/cli.js keys rotate.',
      ),
    ];
  }
  return [ok('keys', `The active signing key is ${Math.floor(ageDays)} days old; the next one waits.`)];
}

function opens(key: StoredSigningKey): boolean {
  try {
    key.decrypt();
    return true;
  } catch {
    return false;
  }
}
