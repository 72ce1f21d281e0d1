import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decideRefresh } from '../../src/modules/sessions/refresh-decision.js';
import { encodeRefreshToken } from '../../src/modules/sessions/refresh-token.js';
import type { EndReason } from '../../src/modules/sessions/session.js';
import { createKeyRing } from '../../src/shared/key-ring.js';
import { sql } from '../support/database.js';
import { buildTestApp, refresh, register, TEST_SECRET } from '../support/test-app.js';

/** Seconds from now, far enough from zero that the test's own duration does not matter. */
const offset = fc.constantFrom(-3_600, -30, 30, 3_600);

const rows = fc.record({
  generation: fc.integer({ min: 1, max: 6 }),
  presented: fc.integer({ min: 0, max: 7 }),
  isConfirmed: fc.boolean(),
  rotatedSecondsAgo: fc.constantFrom(1, 30, 3_600),
  idle: offset,
  absolute: offset,
  endReason: fc.constantFrom<(EndReason | null)[]>(null, null, null, 'logout', 'revoked'),
});

test('the statement and the pure decision agree on every kind of row', { timeout: 60_000 }, async () => {
  const { app } = await buildTestApp({ REFRESH_RECOVERY_SECONDS: '1800' });
  const keys = createKeyRing([Buffer.from(TEST_SECRET, 'base64url')]).current;
  const { sessionId } = await register(app);

  const property = fc.asyncProperty(rows, async (row) => {
    const now = Date.now();
    const at = (seconds: number) => new Date(now + seconds * 1000);
    const idleExpiresAt = at(Math.min(row.idle, row.absolute));
    const state = {
      generation: row.generation,
      confirmedGeneration: row.generation - (row.isConfirmed ? 0 : 1),
      rotatedAt: at(-row.rotatedSecondsAgo),
      idleExpiresAt,
      expiresAt: at(row.absolute),
      endedAt: row.endReason && at(0),
      endReason: row.endReason,
    };
    await sql(
      `UPDATE sessions SET generation = $2, rotated_at = $3, idle_expires_at = $4, expires_at = $5, ended_at = $6, end_reason = $7,
         confirmed_generation = $8 WHERE id = $1`,
      [
        sessionId,
        state.generation,
        state.rotatedAt,
        idleExpiresAt,
        state.expiresAt,
        state.endedAt,
        state.endReason,
        state.confirmedGeneration,
      ],
    );
    const expected = decideRefresh(state, row.presented, at(0), { graceSeconds: 10, recoverySeconds: 1_800 });
    const response = await refresh(app, encodeRefreshToken({ sessionId, generation: row.presented }, keys));
    const [after] = await sql<{ generation: number; end_reason: string | null }>(
      'SELECT generation, end_reason FROM sessions WHERE id = $1',
      [sessionId],
    );

    const code = { rotate: undefined, repeat: undefined, end: 'refresh_token_reused', refuse: '' }[expected.action];
    expect(response.json().code).toBe(expected.action === 'refuse' ? expected.code : code);
    expect(response.json().reason).toBe('reason' in expected ? expected.reason : undefined);
    expect(after?.generation).toBe(row.generation + (expected.action === 'rotate' ? 1 : 0));
    expect(after?.end_reason).toBe(expected.action === 'end' ? 'reuse_detected' : row.endReason);
  });
  await fc.assert(property, { numRuns: 400 });
});
