import { byTurns, median, ratios } from '../interleave.js';
import { closedLoop } from '../load/closed-loop.js';
import { requestBytes } from '../load/connection.js';
import { atLeast, type Row } from '../row.js';
import { type Stage, serviceSettings } from '../stage.js';

const TOKENS = 10_000;

export const gate: Row = {
  name: 'gate',
  title: 'Gated reads with 10,000 ES256 tokens in use',
  targets: {
    'the same route in the same app, outside the guarded scope': atLeast(0.85),
    'a bare Fastify route, with everything that the service does to an answer': atLeast(0.7),
  },
  async measure(stage) {
    const { port, tokens } = await startGateApp(stage);
    const bare = await stage.child('processes/bare.ts');
    const [guarded, open, alone] = [
      askWithTokens(port, '/bench/guarded', tokens),
      askWithTokens(port, '/bench/open', tokens),
      askWithTokens(bare.port, '/bare', tokens),
    ] as const;
    // The first sight of each is a row of its own.
    await guarded.run(Math.max(3, stage.effort.seconds));
    const { seconds } = stage.effort;
    const rates = await byTurns(stage.effort, {
      guarded: () => guarded.run(seconds),
      open: () => open.run(seconds),
      alone: () => alone.run(seconds),
    });
    const details = {
      gated_per_second: median(rates.guarded),
      open_per_second: median(rates.open),
      bare_per_second: median(rates.alone),
    };
    const toOpen = ratios(rates.guarded, rates.open);
    const toBare = ratios(rates.guarded, rates.alone);
    return {
      'the same route in the same app, outside the guarded scope': { value: median(toOpen), rounds: toOpen, details },
      'a bare Fastify route, with everything that the service does to an answer': {
        value: median(toBare),
        rounds: toBare,
        details,
      },
    };
  },
};

/** The service with its two routes of the bench, and tokens of as many people. */
export async function startGateApp(stage: Stage, nodeArgs: string[] = []) {
  const database = await stage.database({ people: TOKENS, sessions: TOKENS });
  const child = await stage.child('processes/gate-app.ts', {
    env: serviceSettings(stage.secret, database.url),
    nodeArgs,
  });
  return { child, port: child.port, tokens: await child.call<string[]>('tokens', TOKENS) };
}

/** Asks with all tokens in turn, so that none is used twice before all others are. */
export function askWithTokens(port: number, path: string, tokens: string[]) {
  const requests = tokens.map((token) => requestBytes('GET', path, { authorization: `Bearer ${token}` }));
  let asked = 0;
  return closedLoop({ port, next: () => requests[asked++ % requests.length] as Buffer });
}
