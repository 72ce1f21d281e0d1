/**
 * The whole service with two more routes, whose answer is as large as that of `GET /v1/me` but asks no database: one
 * behind the gate, one not. They tell what the gate takes, and nothing else.
 */
import { randomUUID } from 'node:crypto';
import { sessionIdOf, userIdOf } from '../ids.js';
import { built } from './built.js';
import { meAnswer, meSchema } from './me.js';
import { answerParent } from './parent.js';

const { buildApp } = (await import(built('app.js'))) as typeof import('../../src/app.js');
const { buildSessionServices } = (await import(built('app-sessions.js'))) as typeof import('../../src/app-sessions.js');
const { loadConfig } = (await import(built('config.js'))) as typeof import('../../src/config.js');
const { guard } = (await import(built('plugins/gate.js'))) as typeof import('../../src/plugins/gate.js');

const config = loadConfig();
const app = await buildApp(config);
// A second set, since the app keeps its own to itself.
const { accessTokens, endedSessions, clock, confirmations } = await buildSessionServices(config, app);

await app.register(async (scope) => {
  guard(scope, { accessTokens, endedSessions, clock, onFirstPass: ({ sid, gen }) => confirmations.note(sid, gen) });
  scope.get('/bench/guarded', { schema: meSchema }, async () => meAnswer);
});
app.get('/bench/open', { schema: meSchema }, async () => meAnswer);

const url = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
process.once('SIGTERM', () => void app.close().finally(() => process.exit()));

answerParent(
  {
    /** As many access tokens, each of another person and session. */
    tokens: (count: number) =>
      Array.from({ length: count }, (_, index) => {
        const now = new Date(clock.now());
        const request = { userId: userIdOf(index), sessionId: sessionIdOf(index), generation: 1, amr: ['pwd'], now };
        const sessionExpiresAt = new Date(now.getTime() + 86_400_000);
        return accessTokens.issue({ ...request, authenticatedAt: now, sessionExpiresAt }).token;
      }),
    /** Fills the list of ended sessions. @returns megabytes of heap that it takes */
    endSessions(count: number): number {
      const before = usedMegabytes();
      for (let index = 0; index < count; index += 1) endedSessions.add(randomUUID(), 'logout');
      return usedMegabytes() - before;
    },
  },
  Number(url.port),
);

function usedMegabytes(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 1_000_000;
}
