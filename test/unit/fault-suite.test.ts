import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Instance } from '../../scripts/faults/instance.js';
import { checkInvariants, promiseBreaches } from '../../scripts/faults/invariants.js';
import { faultsOf, type LoadAnswer } from '../../scripts/faults/load.js';
import { startProxy, type TcpProxy } from '../../scripts/faults/proxy.js';
import type { Row } from '../../scripts/faults/row.js';
import { ROWS } from '../../scripts/faults/rows.js';
import type { Result } from '../../scripts/faults/run.js';
import { countOf, writeFigures } from '../../scripts/faults/table.js';
import { createWitness, readRefreshToken, type SeenSession } from '../../scripts/faults/witness.js';
import { encodeRefreshToken } from '../../src/modules/sessions/refresh-token.js';
import { createKeyRing } from '../../src/shared/key-ring.js';

const keys = createKeyRing([Buffer.from(Array.from({ length: 32 }, (_, index) => index))]).current;
const sessionId = '01890a5d-ac96-474b-bcce-b302099a8057';
const token = (generation: number) => encodeRefreshToken({ sessionId, generation }, keys);

function seen(change: Partial<SeenSession> = {}): SeenSession {
  const tokens = new Map([
    [1, new Set([token(1)])],
    [2, new Set([token(2)])],
  ]);
  return { sessionId, tokens, newest: 2, accessTokens: [], endConfirmed: false, mayEnd: new Set(), ...change };
}

describe('the checker of invariants', () => {
  const live = { id: sessionId, generation: 2, end_reason: null };

  test('finds nothing where every promise is kept', () => {
    expect(promiseBreaches(seen(), live)).toEqual([]);
    expect(promiseBreaches(seen({ mayEnd: new Set(['logout']) }), { ...live, end_reason: 'logout' })).toEqual([]);
  });

  test.each([
    ['two tokens of one generation', seen({ tokens: new Map([[2, new Set(['one', 'other'])]]) }), live, /forked/],
    [
      'an answer that was not committed',
      seen(),
      { ...live, generation: 1 },
      /generation 2 was answered, 1 is committed/,
    ],
    ['a session that is not there', seen(), undefined, /not in the database/],
    ['an ending that nobody asked for', seen(), { ...live, end_reason: 'reuse_detected' }, /nobody ended it/],
    [
      'an ending for another reason than the one that was given cause for',
      seen({ mayEnd: new Set(['logout']) }),
      { ...live, end_reason: 'reuse_detected' },
      /nobody ended it/,
    ],
    [
      'a logout that was answered 204 and not done',
      seen({ endConfirmed: true }),
      live,
      /was said to have ended, and lives/,
    ],
  ])('finds %s', (_what, session, row, breach) => {
    expect(promiseBreaches(session, row)).toEqual([expect.stringMatching(breach)]);
  });

  test('finds people who were told that they are registered and are not, processes that died, and answers of 500', async () => {
    const witness = createWitness();
    witness.users.add(sessionId);
    const dead: Partial<Instance> = {
      isRunning: () => false,
      wasEndedOnPurpose: () => false,
      output: () => '{"status":500,"msg":"answered"}',
    };
    const breaches = await checkInvariants({
      witness,
      instances: [dead as Instance],
      sql: async () => [],
      isShort: true,
    });
    expect(breaches).toEqual([
      expect.stringContaining('a process ended by itself'),
      expect.stringContaining('1 requests failed inside (500)'),
      expect.stringContaining('1 people were registered'),
    ]);
  });
});

test('reads of a refresh token which session and generation it is', () => {
  expect(readRefreshToken(token(77))).toEqual({ sessionId, generation: 77 });
});

test('the load takes a right answer, a lost one and a 503 that says when, and nothing else', () => {
  const answer = (change: Partial<LoadAnswer>) =>
    ({ kind: 'refresh', status: 200, headers: {}, code: undefined, ...change }) as LoadAnswer;
  const fine = [answer({}), answer({ status: 0 }), answer({ status: 503, headers: { 'retry-after': '1' } })];
  expect(faultsOf(fine)).toEqual([]);
  const wrong = [
    answer({ status: 503 }),
    answer({ status: 401, code: 'refresh_token_reused' }),
    answer({ status: 500 }),
  ];
  expect(faultsOf(wrong)).toHaveLength(3);
});

describe('the table of figures', () => {
  const row = (name: string): Row => ({ name, fault: 'f', right: 'r', run: async () => ({ figure: '', faults: [] }) });
  const result = (name: string, verdict: Result['verdict'], figure: string): Result => ({
    row: row(name),
    verdict,
    figure,
    faults: [],
    seconds: 1,
  });
  const empty = 'before <!-- figures: written by npm run faults --> <!-- figures: end --> after';

  test('has a line for each row that was run, in their order; those that were not run keep theirs', () => {
    const first = [result('a', 'passed', 'old a'), result('b', 'failed', 'old b')];
    const once = writeFigures(empty, 'here', first, ['a', 'b']);
    const twice = writeFigures(once, 'there', [result('b', 'passed', 'new b')], ['b', 'a']);
    expect(once).toContain('| `b` | f | r | old b | **FAILED** |');
    expect(twice.match(/^\| `.*$/gm)).toEqual(['| `b` | f | r | new b | holds |', '| `a` | f | r | old a | holds |']);
    expect(twice).toMatch(/^before [\s\S]*there[\s\S]* after$/);
  });

  test('counts what passed, failed and was skipped', () => {
    const all = [
      result('a', 'passed', ''),
      result('b', 'failed', ''),
      result('c', 'skipped', ''),
      result('d', 'passed', ''),
    ];
    expect(countOf(all)).toBe('2 passed, 1 failed, 1 skipped');
  });

  test('tells rows apart by their names', () => {
    expect(ROWS.length).toBeGreaterThan(20);
    expect(new Set(ROWS.map(({ name }) => name)).size).toBe(ROWS.length);
  });
});

describe('the proxy', () => {
  /** A server that answers each piece in capitals, and a proxy before it. */
  async function shoutingServer(): Promise<{ proxy: TcpProxy; received: string[] }> {
    const received: string[] = [];
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('data', (piece) => {
        received.push(String(piece));
        socket.write(String(piece).toUpperCase());
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const proxy = await startProxy(`http://127.0.0.1:${port}`);
    onTestFinished(async () => {
      await proxy.close();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
    return { proxy, received };
  }

  /** Says something, and waits for the answer; "broken" when the connection broke instead. */
  function say(port: number, text: string): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(text));
      socket.once('data', (piece) => {
        resolve(String(piece));
        socket.destroy();
      });
      socket.once('error', () => resolve('broken'));
      socket.once('close', () => resolve('broken'));
    });
  }

  test('passes on what is said, until it is cut, and again when it is mended', async () => {
    const { proxy } = await shoutingServer();
    expect(await say(proxy.port, 'hello')).toBe('HELLO');
    proxy.cut();
    expect(await say(proxy.port, 'hello')).toBe('broken');
    proxy.mend();
    expect(await say(proxy.port, 'hello')).toBe('HELLO');
  });

  test('lets a request through and keeps its answer, which it knows; others are served meanwhile', async () => {
    const { proxy, received } = await shoutingServer();
    const caught = proxy.set({ what: 'withholdAnswer', take: (piece) => piece.includes('pay') });
    const answer = say(proxy.port, 'pay');
    expect(await say(proxy.port, 'look')).toBe('LOOK');
    await expect.poll(() => caught.length).toBe(1);
    expect(await caught[0]?.answer).toBe('PAY');
    caught[0]?.cut();
    expect(await answer).toBe('broken');
    expect(received).toContain('pay');
  });

  test('keeps a request from the server, and cuts it off there', async () => {
    const { proxy, received } = await shoutingServer();
    const caught = proxy.set({ what: 'withholdRequest', take: (piece) => piece.includes('pay') });
    const answer = say(proxy.port, 'pay');
    await expect.poll(() => caught.length).toBe(1);
    proxy.release();
    expect(await say(proxy.port, 'pay later')).toBe('PAY LATER');
    caught[0]?.cut();
    expect(await answer).toBe('broken');
    expect(received).toEqual(['pay later']);
  });

  test('holds what passes for as long as it is told', async () => {
    const { proxy } = await shoutingServer();
    proxy.delay(100);
    const startedAt = performance.now();
    expect(await say(proxy.port, 'hello')).toBe('HELLO');
    expect(performance.now() - startedAt).toBeGreaterThan(190);
  });
});
