import nodemailer from 'nodemailer';
import { createHashWorkers } from '../modules/passwords/hash-workers.js';
import { openRedis } from '../redis/redis.js';
import { settlesWithin } from '../shared/settles-within.js';
import { type Check, failed, ok, skipped, warning } from './check.js';

const ANSWER_MS = 4_000;
const QUICK_HASH_MS = 50;
const SLOW_HASH_MS = 1_000;

/** Whether the mail server lets the service in. Sends nothing. */
export async function examineMail(smtp: object | undefined): Promise<Check[]> {
  if (smtp === undefined) {
    return [skipped('mail', 'SMTP_URL is not set: no mail is sent, and nobody can reset a password.')];
  }
  const timeouts = { connectionTimeout: 3_000, greetingTimeout: 3_000, socketTimeout: 3_000, dnsTimeout: 3_000 };
  const transporter = nodemailer.createTransport({ ...smtp, ...timeouts, logger: false });
  try {
    await transporter.verify();
    return [ok('mail', 'The mail server lets the service in.')];
  } catch (error) {
    const { code = '', responseCode } = error as { code?: string; responseCode?: number };
    const [what, remedy] = mailTrouble(code);
    const detail = [code, responseCode].filter(Boolean).join(' ');
    return [failed('mail', `${what} (${detail})`, remedy)];
  } finally {
    transporter.close();
  }
}

function mailTrouble(code: string): [what: string, remedy: string] {
  if (code === 'EAUTH')
    return [
      'The mail server refuses the user or the password.',
      'Check them in SMTP_URL; percent-encode what is not a letter or a digit.',
    ];
  if (code === 'ETLS')
    return [
      'No TLS connection could be made with the mail server.',
      'Use smtps:// for port 465 and smtp:// for 587; ?tls=off is for a relay of your own alone.',
    ];
  if (code === 'EDNS' || code === 'ENOTFOUND')
    return ['The host of the mail server is not known.', 'Check the host in SMTP_URL.'];
  return [
    'The mail server does not answer.',
    'Check host and port in SMTP_URL, and whether this network lets mail out (587 or 465; 25 is often blocked).',
  ];
}

/** Whether Redis answers. */
export async function examineRedis(url: string | undefined): Promise<Check[]> {
  if (url === undefined) return [skipped('redis', 'REDIS_URL is not set: each instance counts requests for itself.')];
  let reason = '';
  const redis = openRedis({
    url,
    onError: (error) => {
      reason ||= error.message;
    },
  });
  try {
    const ready = new Promise<void>((resolve, reject) => {
      redis.once('ready', resolve);
      redis.once('error', reject);
    });
    const settled = await settlesWithin(ready, ANSWER_MS);
    if (!settled || redis.status !== 'ready') throw new Error('not ready');
    await redis.ping();
    return [ok('redis', 'Redis answers; requests are counted together.')];
  } catch {
    const isPassword = /WRONGPASS|NOAUTH|AUTH/i.test(reason);
    return [
      failed(
        'redis',
        isPassword
          ? 'Redis refuses the user or the password.'
          : 'Redis does not answer. Each instance would count for itself.',
        isPassword ? 'Check them in REDIS_URL.' : 'Check REDIS_URL, and that Redis runs and can be reached from here.',
      ),
    ];
  } finally {
    redis.disconnect();
  }
}

/** How long one password takes on this machine. */
export async function examineHashing(cost: number, concurrency: number, cores: number): Promise<Check[]> {
  const workers = createHashWorkers({ concurrency: 1, queue: 4 });
  try {
    await workers.hash('the first one starts a thread', 4);
    const startedAt = performance.now();
    await workers.hash('a password', cost);
    const ms = Math.round(performance.now() - startedAt);
    const faults: Check[] = [];
    if (ms > SLOW_HASH_MS) {
      faults.push(
        warning(
          'hashing',
          `One password takes ${ms} ms here.`,
          'Lower BCRYPT_COST by one, which halves it, or give the service a quicker core.',
        ),
      );
    }
    if (ms < QUICK_HASH_MS && cost >= 10) {
      faults.push(
        warning(
          'hashing',
          `One password takes only ${ms} ms here.`,
          'Raise BCRYPT_COST by one or two: a thief is as quick as you.',
        ),
      );
    }
    if (concurrency > cores) {
      faults.push(
        warning(
          'hashing',
          `HASH_CONCURRENCY is ${concurrency}, and there are ${cores} cores.`,
          'Leave HASH_CONCURRENCY out: more at once makes each slower.',
        ),
      );
    }
    return faults.length > 0
      ? faults
      : [
          ok(
            'hashing',
            `One password takes ${ms} ms; about ${Math.floor((1_000 / ms) * concurrency)} sign-ins a second.`,
          ),
        ];
  } finally {
    await workers.close();
  }
}
