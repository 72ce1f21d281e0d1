import { settlesWithin } from '../shared/settles-within.js';
import { type Check, failed, ok } from './check.js';
import type { Connected } from './database-probe.js';

const ECHO_WITHIN_MS = 2_000;
const CHANNEL = 'gatehouse_doctor';

/** Whether what is notified on one connection is heard on the other: the service learns so of sessions that end elsewhere. */
export async function examineListener(listening: Connected, notifying: Connected): Promise<Check[]> {
  const token = crypto.randomUUID();
  await listening.client.query(`LISTEN ${CHANNEL}`);
  const heard = new Promise<void>((resolve) => {
    listening.client.on('notification', ({ payload }) => {
      if (payload === token) resolve();
    });
  });
  await notifying.client.query('SELECT pg_notify($1, $2)', [CHANNEL, token]);
  if (await settlesWithin(heard, ECHO_WITHIN_MS)) return [ok('listener', 'What Postgres notifies is heard at once.')];
  return [
    failed(
      'listener',
      'What Postgres notifies is not heard: a session that ends is refused by other instances after two seconds, not at once.',
      'Set DATABASE_DIRECT_URL to the same database, past any pooler.',
    ),
  ];
}
