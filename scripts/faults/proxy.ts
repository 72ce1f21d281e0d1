import { connect, createServer, type Socket } from 'node:net';

/**
 * A request that is waited for. `take` is asked for each piece that a client sends; after it said yes:
 * - `withholdRequest`: the piece does not pass, nor anything that follows on that connection;
 * - `withholdAnswer`: it passes, and what comes back does not.
 * Either way the connection stays open until it is cut.
 */
export type Trap = { take: (piece: Buffer) => boolean; what: 'withholdRequest' | 'withholdAnswer' };

/** What was caught: the connection, and for an answer its bytes, as soon as there are any. */
export type Caught = { answer: Promise<string>; cut: () => void };

export type TcpProxy = {
  port: number;
  /** The address of the server behind, as a client reaches it through here. */
  url: string;
  /** Breaks off what is open, and lets nobody in until `mend`. */
  cut: () => void;
  mend: () => void;
  /** Each piece is held for so many milliseconds, in each direction, from now on. */
  delay: (milliseconds: number) => void;
  /** From now on, until it is taken back by `release`. @returns what it caught, and goes on catching */
  set: (trap: Trap) => Caught[];
  release: () => void;
  close: () => Promise<void>;
};

/** Stands between a client and a TCP server, and can break the line in every way that a line can break. */
export async function startProxy(target: string): Promise<TcpProxy> {
  const { hostname, port: targetPort } = new URL(target);
  const open = new Set<Socket>();
  let isCut = false;
  let delayMs = 0;
  let trap: { is: Trap; caught: Caught[] } | undefined;

  const server = createServer((client) => {
    if (isCut) {
      client.destroy();
      return;
    }
    const upstream = connect(Number(targetPort), hostname);
    const cut = () => {
      client.resetAndDestroy();
      upstream.destroy();
    };
    let caughtAnswer: ((text: string) => void) | undefined;
    let holding: 'nothing' | 'requests' | 'answers' = 'nothing';

    function fromClient(piece: Buffer): void {
      if (holding === 'requests') return;
      if (holding === 'nothing' && trap?.is.take(piece)) {
        holding = trap.is.what === 'withholdRequest' ? 'requests' : 'answers';
        const answer = new Promise<string>((resolve) => {
          caughtAnswer = resolve;
        });
        trap.caught.push({ answer, cut });
        if (holding === 'requests') return;
      }
      pass(piece, upstream);
    }

    function fromServer(piece: Buffer): void {
      if (holding === 'answers') caughtAnswer?.(piece.toString('latin1'));
      if (holding === 'nothing') pass(piece, client);
    }

    for (const [socket, other, hear] of [
      [client, upstream, fromClient],
      [upstream, client, fromServer],
    ] as const) {
      open.add(socket);
      socket.setNoDelay(true);
      socket.on('data', hear);
      socket.once('error', () => other.destroy());
      // What is on its way arrives first.
      socket.once('end', () => later(() => other.end()));
      socket.once('close', () => {
        open.delete(socket);
        later(() => other.destroy());
      });
    }
  });

  /** Timers of one length run in their order, so that pieces never overtake each other unless the delay is changed. */
  function later(work: () => void): void {
    if (delayMs === 0) work();
    else setTimeout(work, delayMs);
  }

  function pass(piece: Buffer, to: Socket): void {
    later(() => {
      if (to.writable) to.write(piece);
    });
  }

  const cutAll = () => {
    for (const socket of open) socket.resetAndDestroy();
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The proxy has no port.');
  return {
    port: address.port,
    url: Object.assign(new URL(target), { hostname: '127.0.0.1', port: String(address.port) }).href,
    cut() {
      isCut = true;
      cutAll();
    },
    mend() {
      isCut = false;
    },
    delay(milliseconds) {
      delayMs = milliseconds;
    },
    set(is) {
      trap = { is, caught: [] };
      return trap.caught;
    },
    release() {
      trap = undefined;
    },
    async close() {
      isCut = true;
      const closed = new Promise((resolve) => server.close(resolve));
      cutAll();
      await closed;
    },
  };
}
