import { createHash } from 'node:crypto';

export type BreachCheckOutcome = 'clean' | 'breached' | 'failed';

type BreachCheckOptions = {
  /** Where the first five digits of a hash are appended. */
  url: string;
  onChecked: (outcome: BreachCheckOutcome) => void;
  /** Told why nobody could say. Never holds any part of a password or of its hash. */
  onError: (reason: string) => void;
};

const TIME_LIMIT_MS = 1_000;
const PREFIX_DIGITS = 5;
/** Padded answers have about 40 KB. */
const MAX_ANSWER_BYTES = 256 * 1024;
const LINE = /^([0-9A-F]{35}):(\d{1,15})$/;

/**
 * Looks a new password up among breached ones by k-anonymity: only the first five digits of its SHA-1 leave the service,
 * and what comes back is every hash that begins so (https://haveibeenpwned.com/API/v3#PwnedPasswords). When nobody can
 * be asked, the password passes: people must be able to register while somebody else's service is away.
 */
export function createBreachCheck({ url, onChecked, onError }: BreachCheckOptions) {
  return async (password: string): Promise<boolean> => {
    const hash = createHash('sha1').update(password, 'utf8').digest('hex').toUpperCase();
    const outcome = await check(hash).catch((error: unknown) => {
      onError(reasonOf(error));
      return 'failed' as const;
    });
    onChecked(outcome);
    return outcome === 'breached';
  };

  async function check(hash: string): Promise<BreachCheckOutcome> {
    const response = await fetch(rangeUrl(url, hash.slice(0, PREFIX_DIGITS)), {
      // Padding hides from who watches the line, by the answer's length, which range it was.
      headers: { 'add-padding': 'true', accept: 'text/plain', 'user-agent': 'gatehouse' },
      redirect: 'error',
      signal: AbortSignal.timeout(TIME_LIMIT_MS),
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new BreachCheckFailed(`it answered ${response.status}`);
    }
    return countIn(await readText(response), hash.slice(PREFIX_DIGITS)) > 0 ? 'breached' : 'clean';
  }
}

class BreachCheckFailed extends Error {
  override readonly name = 'BreachCheckFailed';
}

function rangeUrl(url: string, prefix: string): string {
  return /[/=]$/.test(url) ? url + prefix : `${url}/${prefix}`;
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    // Leaving the loop closes the connection.
    if (bytes > MAX_ANSWER_BYTES) throw new BreachCheckFailed('its answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('latin1');
}

/** How often a password was seen; entries that only pad the answer say 0. */
function countIn(text: string, suffix: string): number {
  const lines = text.split(/\r?\n/).filter((line) => line !== '');
  const entries = lines.map((line) => LINE.exec(line));
  if (entries.includes(null)) throw new BreachCheckFailed('its answer is not a list of hashes');
  return Number(entries.find((entry) => entry?.[1] === suffix)?.[2] ?? 0);
}

/** Only words of our own and system codes: an error of `fetch` may quote the address, and so the digits. */
function reasonOf(error: unknown): string {
  if (error instanceof BreachCheckFailed) return error.message;
  if (error instanceof Error && error.name === 'TimeoutError') return 'it did not answer in time';
  const { cause } = error as { cause?: { code?: unknown } };
  return typeof cause?.code === 'string' ? `it could not be asked (${cause.code})` : 'it could not be asked';
}
