import { me, refresh } from './ask.js';
import type { Instance } from './instance.js';
import { inTurns } from './row.js';
import type { Stage } from './stage.js';
import { until } from './until.js';
import type { SeenSession } from './witness.js';

type SessionState = { id: string; generation: number; end_reason: string | null };

export type InvariantsStage = Pick<Stage, 'instances' | 'witness' | 'sql' | 'isShort'>;

/** Ends that somebody gave cause for must have arrived by then, on instances that cannot hear as well. */
const REVOKED_WITHIN_MS = 5_000;
const ENDED_PROBES = 40;
const LIVE_PROBES = 3;

/**
 * What must hold after every fault, for every session that the row has used. @returns a line for each breach
 *
 * 1. At most one refresh token of a session is live.
 * 2. Nothing that was revoked is accepted, by no instance.
 * 3. Nothing was promised (2xx) that is not committed.
 * 4. No session has ended that nobody ended.
 *
 * And every process lives that the suite has not ended, and none has answered 500.
 */
export async function checkInvariants(stage: InvariantsStage): Promise<string[]> {
  const { witness, instances } = stage;
  const running = instances.filter((instance) => instance.isRunning());
  const breaches = [...processBreaches(instances, witness.statuses.get(500) ?? 0)];
  const rows = await statesOf(stage);
  for (const session of witness.sessions.values()) {
    breaches.push(...promiseBreaches(session, rows.get(session.sessionId)));
  }
  breaches.push(...(await missingUsers(stage)));
  breaches.push(...(await probeEnded(stage, running, rows)));
  breaches.push(...(await probeLive(stage, running, rows)));
  return breaches;
}

function processBreaches(instances: readonly Instance[], answered500: number): string[] {
  const died = instances.filter((instance) => !instance.isRunning() && !instance.wasEndedOnPurpose());
  const errors = instances.flatMap((instance) =>
    instance
      .output()
      .split('\n')
      .filter((line) => /"status":500\b/.test(line)),
  );
  const breaches = died.map((instance) => `a process ended by itself: ${instance.output().slice(-300)}`);
  if (answered500 > 0) breaches.push(`${answered500} answers were 500`);
  if (errors.length > 0) breaches.push(`${errors.length} requests failed inside (500): ${errors[0]}`);
  return breaches;
}

/** 1, 3 and 4, as far as the row in the database tells. */
export function promiseBreaches(session: SeenSession, row: SessionState | undefined): string[] {
  const { sessionId, tokens, newest, endConfirmed, mayEnd } = session;
  const breaches: string[] = [];
  for (const [generation, different] of tokens) {
    if (different.size > 1)
      breaches.push(`session ${sessionId} forked: ${different.size} tokens of generation ${generation}`);
  }
  if (row === undefined) {
    if (!mayEnd.has('account_deleted')) breaches.push(`session ${sessionId} was answered, and is not in the database`);
    return breaches;
  }
  if (row.generation < newest) {
    breaches.push(`session ${sessionId}: generation ${newest} was answered, ${row.generation} is committed`);
  }
  if (row.end_reason === null && endConfirmed) breaches.push(`session ${sessionId} was said to have ended, and lives`);
  if (row.end_reason !== null && !mayEnd.has(row.end_reason)) {
    breaches.push(`session ${sessionId} ended (${row.end_reason}), and nobody ended it`);
  }
  return breaches;
}

async function statesOf({ sql, witness }: InvariantsStage): Promise<Map<string, SessionState>> {
  const rows = await sql<SessionState>('SELECT id, generation, end_reason FROM sessions WHERE id = ANY($1::uuid[])', [
    [...witness.sessions.keys()],
  ]);
  return new Map(rows.map((row) => [row.id, row]));
}

async function missingUsers({ sql, witness }: InvariantsStage): Promise<string[]> {
  const promised = [...witness.users];
  const rows = await sql<{ id: string }>('SELECT id FROM users WHERE id = ANY($1::uuid[])', [promised]);
  const missing = promised.length - rows.length;
  return missing > 0 ? [`${missing} people were registered by their answers, and are not in the database`] : [];
}

/** 2: every instance refuses what a session that ended has left behind. */
async function probeEnded(
  { witness }: InvariantsStage,
  running: readonly Instance[],
  rows: ReadonlyMap<string, SessionState>,
): Promise<string[]> {
  const ended = [...witness.sessions.values()].filter(({ sessionId }) => rows.get(sessionId)?.end_reason);
  const breaches: string[] = [];
  // The last ones: what ended first has long been heard of.
  await inTurns(ended.slice(-ENDED_PROBES), 8, async (session) => {
    for (const { url } of running) {
      for (const token of session.accessTokens) {
        const refused = async () => isRefusal((await me(url, token)).status);
        await until('refused', refused, { within: REVOKED_WITHIN_MS, every: 50 }).catch(() =>
          breaches.push(`an access token of ended session ${session.sessionId} is accepted by ${url}`),
        );
      }
      for (const token of session.tokens.get(session.newest) ?? []) {
        const answer = await refresh(url, token);
        if (!isRefusal(answer.status)) {
          breaches.push(
            `the refresh token of ended session ${session.sessionId} was answered ${answer.status} by ${url}`,
          );
        }
      }
    }
  });
  return breaches;
}

const isRefusal = (status: number) => status === 401;

/**
 * 1, from outside, on a few sessions that live: the newest token gives one successor, the same at every instance; and
 * once that is used, no older one is good, and the return of one ends it all.
 */
async function probeLive(
  { witness, sql }: InvariantsStage,
  running: readonly Instance[],
  rows: ReadonlyMap<string, SessionState>,
): Promise<string[]> {
  const [one] = running;
  const other = running.at(-1);
  if (one === undefined || other === undefined) return [];
  const live = [...witness.sessions.values()].filter(({ sessionId, newest }) => {
    const row = rows.get(sessionId);
    return row?.end_reason === null && row.generation === newest;
  });
  const breaches: string[] = [];
  for (const session of live.slice(0, LIVE_PROBES)) {
    const { sessionId } = session;
    const [held = ''] = session.tokens.get(session.newest) ?? [];
    const first = await refresh(one.url, held);
    const second = await refresh(other.url, held);
    const { refreshToken = '', accessToken = '' } = first;
    if (first.status !== 200 || second.status !== 200 || refreshToken !== second.refreshToken) {
      breaches.push(`session ${sessionId}: one token gave ${first.status} and ${second.status}, or two successors`);
      continue;
    }
    witness.mayEnd(sessionId, 'reuse_detected');
    await sql(
      "UPDATE sessions SET rotated_at = rotated_at - interval '1 hour', confirmed_generation = generation WHERE id = $1",
      [sessionId],
    );
    const replayed = await refresh(other.url, held);
    const newest = await refresh(one.url, refreshToken);
    if (replayed.status !== 401 || newest.status !== 401) {
      breaches.push(`session ${sessionId}: two tokens are live (${replayed.status}, ${newest.status})`);
    }
    const refused = async () => isRefusal((await me(one.url, accessToken)).status);
    await until('refused', refused, { within: REVOKED_WITHIN_MS, every: 50 }).catch(() =>
      breaches.push(`session ${sessionId}: ended, and its access token is accepted`),
    );
  }
  return breaches;
}
