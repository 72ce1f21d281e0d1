import { expect, test } from 'vitest';
import { createSessionService } from '../../src/modules/sessions/session-service.js';
import { createKeyRing } from '../../src/shared/key-ring.js';

test.each(['', 'garbage', 'A'.repeat(72), 'x'.repeat(512)])(
  'refuses the refresh token %j before it asks anything of the database',
  async (token) => {
    const untouchable = new Proxy({} as never, {
      get: (_target, name) => {
        throw new Error(`asked for ${String(name)}`);
      },
    });
    const sessions = createSessionService({
      repository: untouchable,
      rotations: untouchable,
      accessTokens: untouchable,
      endedSessions: untouchable,
      confirmations: untouchable,
      keyRing: createKeyRing([Buffer.alloc(32, 'a fixed secret for tests, 32 byte')]),
      policy: { idleSeconds: 60, absoluteSeconds: 60, graceSeconds: 10, recoverySeconds: 60, maxPerUser: 10 },
      onRefresh: () => {},
      onReuse: () => {},
    });
    await expect(sessions.refresh(token, 'cookie', { ip: null, userAgent: null })).rejects.toMatchObject({
      code: 'refresh_token_invalid',
    });
  },
);
