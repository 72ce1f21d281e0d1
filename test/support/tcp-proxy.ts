import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export type TcpProxy = {
  url: string;
  /** Breaks off what is open and lets nobody new through. */
  cut: () => void;
  /** Passes nothing on and closes nothing, as a server does that hangs. */
  hang: () => void;
  /** Ends either. What was held back is passed on. */
  mend: () => void;
  /** The next message to the server that holds this text gets there; before its answer comes back, the connection breaks. */
  loseAnswerTo: (text: string) => { isLost: () => boolean };
};

/** ReadyForQuery outside a transaction: Postgres is through with what it was sent, and has committed it. */
const COMMITTED = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

/** A proxy in front of a TCP server, Postgres for one, that does what networks do. */
export async function startTcpProxy(target: URL): Promise<TcpProxy> {
  const open = new Set<Socket>();
  let isCut = false;
  let isHanging = false;
  let losing: { text: string; lost: boolean } | undefined;

  const server = createServer((inbound) => {
    if (isCut) {
      inbound.destroy();
      return;
    }
    const outbound = connect(Number(target.port || 5432), target.hostname);
    let doomed: typeof losing;
    pass(inbound, outbound, (chunk) => {
      if (losing && !losing.lost && chunk.includes(losing.text)) doomed = losing;
      return true;
    });
    pass(outbound, inbound, (chunk) => {
      if (doomed && chunk.includes(COMMITTED)) {
        doomed.lost = true;
        outbound.destroy();
      }
      return doomed === undefined;
    });
  });

  function pass(from: Socket, to: Socket, mayPass: (chunk: Buffer) => boolean): void {
    open.add(from);
    from.on('data', (chunk: Buffer) => {
      if (mayPass(chunk)) to.write(chunk);
    });
    if (isHanging) from.pause();
    from.once('end', () => to.end());
    from.once('error', () => to.destroy());
    from.once('close', () => {
      open.delete(from);
      to.destroy();
    });
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The proxy has no port.');
  const cut = () => {
    isCut = true;
    for (const socket of open) socket.destroy();
  };
  onTestFinished(async () => {
    cut();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    url: Object.assign(new URL(target), { hostname: '127.0.0.1', port: String(address.port) }).href,
    cut,
    hang() {
      isHanging = true;
      for (const socket of open) socket.pause();
    },
    mend() {
      isCut = false;
      isHanging = false;
      for (const socket of open) socket.resume();
    },
    loseAnswerTo(text) {
      const loss = { text, lost: false };
      losing = loss;
      return { isLost: () => loss.lost };
    },
  };
}
