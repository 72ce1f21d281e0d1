import { type Check, failed, ok, skipped } from './check.js';

const HOW =
  "Make one with: node -e \"console.log(require('crypto').randomBytes(32).toString('base64url'))\", and follow docs/keys-and-secrets.md to replace it.";

/** Of 32 random bytes more than this share being letters, digits and signs of a keyboard does not happen. */
const MAX_TYPED_SHARE = 0.8;
/** So many neighbours that differ by the same step are counted, not drawn. */
const MAX_STEPS = 8;

/** Whether secrets that are long enough were drawn at random, as far as one can tell by looking. */
export function judgeSecrets(secrets: readonly Buffer[]): Check[] {
  if (secrets.length === 0) return [skipped('secrets', 'APP_SECRETS could not be read.')];
  const weak = secrets.flatMap((secret, index) => {
    const why = weaknessOf(secret);
    return why === null ? [] : [failed('secrets', `Secret ${index + 1} of APP_SECRETS ${why}.`, HOW)];
  });
  return weak.length > 0 ? weak : [ok('secrets', 'The application secrets look as if drawn at random.')];
}

function weaknessOf(secret: Buffer): string | null {
  const typed = secret.filter((byte) => byte >= 0x20 && byte < 0x7f).length / secret.length;
  if (typed > MAX_TYPED_SHARE) return 'is text that somebody typed';
  // What was typed is not always encoded: words are base64url themselves.
  if (/change|secret|password|example|gatehouse|placeholder/i.test(secret.toString('base64url'))) {
    return 'is a placeholder';
  }
  const steps = new Map<number, number>();
  for (let index = 1; index < secret.length; index += 1) {
    const step = ((secret[index] ?? 0) - (secret[index - 1] ?? 0) + 256) % 256;
    steps.set(step, (steps.get(step) ?? 0) + 1);
  }
  return Math.max(...steps.values()) > MAX_STEPS ? 'is a row of numbers, and not random' : null;
}
