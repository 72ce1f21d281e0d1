import { availableParallelism } from 'node:os';
import type { Child } from '../child.js';
import { byTurns, median, ratios } from '../interleave.js';
import { type ClosedLoop, closedLoop } from '../load/closed-loop.js';
import { requestBytes } from '../load/connection.js';
import { atLeast, type Measured, type Row } from '../row.js';
import type { Stage } from '../stage.js';
import { askWithTokens, startGateApp } from './gate.js';
import { givePassword, signInLoop } from './login.js';
import { inTurn, refreshLoop } from './refresh.js';

/** Fewer than the other rows have: some make them one by one. */
const PEOPLE = 100;

const NAMES = {
  betterAuth: 'Better Auth',
  betterAuthCached: 'Better Auth, cookie cache',
  expressSession: 'express-session, connect-pg-simple',
  jwtPrisma: 'jsonwebtoken, Prisma',
};

type Peer = keyof typeof NAMES;
/** Gated reads: who is asking, and an answer of the same size. */
export const peersRead: Row = peerRow('peers-read', 'Gated reads', 1, async (stage) => {
  const gatehouse = await startGateApp(stage);
  const { betterAuth, expressSession, jwtPrisma } = await startPeers(stage);
  const cached = await startPeer(stage, 'better-auth.js', { COOKIE_CACHE: 'true' });
  return {
    gatehouse: askWithTokens(gatehouse.port, '/bench/guarded', gatehouse.tokens),
    betterAuth: readWithCookies(betterAuth),
    betterAuthCached: readWithCookies(cached),
    expressSession: readWithCookies(expressSession),
    jwtPrisma: askWithTokens(jwtPrisma.child.port, '/me', jwtPrisma.tokens),
  };
});

/** A refresh, or what comes nearest: a read that prolongs the session in the database. */
export const peersRefresh: Row = peerRow('peers-refresh', 'Refreshes', 1, async (stage) => {
  const database = await stage.database({ people: 10_000, sessions: 10_000 });
  const service = await stage.service(database.url);
  const { betterAuth, expressSession, jwtPrisma } = await startPeers(stage, { UPDATE_ALWAYS: 'true' });
  return {
    gatehouse: await refreshLoop(service.port, stage.secret, 10_000),
    betterAuth: readWithCookies(betterAuth),
    expressSession: readWithCookies(expressSession),
    jwtPrisma: inTurn(jwtPrisma.child.port, '/refresh', jwtPrisma.cookies),
  };
});

/** Sign-ins at bcrypt cost 12, on all cores: the hash is nearly all of it, so that none can be far ahead. */
export const peersSignIn: Row = peerRow('peers-sign-in', 'Sign-ins', 0.9, async (stage) => {
  const cores = stage.cores?.all;
  const database = await stage.database({ people: 200, sessions: 1 });
  const service = await stage.service(database.url, {}, { cores });
  await givePassword(database, service.port);
  const { betterAuth, expressSession, jwtPrisma } = await startPeers(stage, {}, cores);
  const connections = 2 * availableParallelism();
  const signIn = ({ child }: StartedPeer, path: string) => signInLoop(child.port, connections, path, PEOPLE);
  return {
    gatehouse: signInLoop(service.port, connections),
    betterAuth: signIn(betterAuth, '/api/auth/sign-in/email'),
    expressSession: signIn(expressSession, '/login'),
    jwtPrisma: signIn(jwtPrisma, '/login'),
  };
});

type Loops = Record<'gatehouse', ClosedLoop> & Partial<Record<Peer, ClosedLoop>>;

/** Each peer is a limit of the row. @param share of its rate that Gatehouse should reach at least */
function peerRow(name: string, what: string, share: number, prepare: (stage: Stage) => Promise<Loops>): Row {
  const peers = (Object.keys(NAMES) as Peer[]).filter((peer) => peer !== 'betterAuthCached' || name === 'peers-read');
  return {
    name,
    title: `${what}, beside what else one would take`,
    targets: Object.fromEntries(peers.map((peer) => [NAMES[peer], atLeast(share, '×')])),
    async measure(stage) {
      const loops = Object.entries(await prepare(stage));
      const turns = Object.fromEntries(loops.map(([one, loop]) => [one, () => loop.run(stage.effort.seconds)]));
      const rates: Record<string, number[]> = await byTurns(stage.effort, turns);
      const ours = rates.gatehouse ?? [];
      const figureOf = (theirs: number[]): Measured => {
        const rounds = ratios(ours, theirs);
        const details = { gatehouse_per_second: median(ours), peer_per_second: median(theirs) };
        return { value: median(rounds), rounds, details };
      };
      return Object.fromEntries(peers.map((peer) => [NAMES[peer], figureOf(rates[peer] ?? [])]));
    },
  };
}

type StartedPeer = { child: Child; cookies: string[]; tokens: string[] };

/** Each on a database of its own of the same Postgres, on the server's core unless told otherwise. */
async function startPeers(stage: Stage, env: NodeJS.ProcessEnv = {}, cores = stage.cores?.server) {
  return {
    betterAuth: await startPeer(stage, 'better-auth.js', env, cores),
    expressSession: await startPeer(stage, 'express-session.js', env, cores),
    jwtPrisma: await startPeer(stage, 'jwt-prisma.js', env, cores),
  };
}

async function startPeer(
  stage: Stage,
  file: string,
  env: NodeJS.ProcessEnv,
  cores = stage.cores?.server,
): Promise<StartedPeer> {
  const { url } = await stage.emptyDatabase();
  const child = await stage.child(`peers/${file}`, { cores, env: { ...env, DATABASE_URL: url } });
  const people = await child.call<(string | { cookie: string; accessToken: string })[]>('people', PEOPLE);
  return {
    child,
    cookies: people.map((one) => (typeof one === 'string' ? one : one.cookie)),
    tokens: people.flatMap((one) => (typeof one === 'string' ? [] : [one.accessToken])),
  };
}

function readWithCookies({ child, cookies }: StartedPeer): ClosedLoop {
  const requests = cookies.map((cookie) => requestBytes('GET', '/me', { cookie }));
  let asked = 0;
  return closedLoop({ port: child.port, next: () => requests[asked++ % requests.length] as Buffer });
}
