import { connect } from 'node:net';

/** What came back, read no further than is needed to know where it ends. */
export type Answer = { status: number; head: string; body: Buffer };

export type Connection = {
  /** Sends one request and reads its answer. One at a time. */
  ask: (request: Buffer) => Promise<Answer>;
  close: () => void;
};

/**
 * One keep-alive connection that does as little as it can: requests are bytes made beforehand, and answers are only
 * measured. A full HTTP client takes as long as a bare Fastify route, and would hide what is between two servers.
 *
 * @param localAddress from which it comes, for servers that count by address
 */
export async function openConnection(port: number, localAddress = '127.0.0.1'): Promise<Connection> {
  const socket = connect({ host: '127.0.0.1', port, localAddress, noDelay: true });
  let heard: Buffer = Buffer.alloc(0);
  let resolve: ((answer: Answer) => void) | undefined;
  let reject: ((error: Error) => void) | undefined;
  let lost: Error | undefined;
  const fail = (error: Error) => {
    lost ??= error;
    reject?.(lost);
  };
  await new Promise<void>((connected, failed) => {
    socket.once('connect', connected).once('error', failed);
  });
  socket.on('error', fail).on('close', () => fail(new Error('The server closed the connection.')));
  socket.on('data', (chunk) => {
    heard = heard.length === 0 ? chunk : Buffer.concat([heard, chunk]);
    const answer = readAnswer(heard);
    if (answer === undefined || resolve === undefined) return;
    heard = Buffer.alloc(0);
    const answered = resolve;
    resolve = undefined;
    reject = undefined;
    answered(answer);
  });
  return {
    ask: (request) =>
      new Promise<Answer>((answered, failed) => {
        if (lost) return failed(lost);
        resolve = answered;
        reject = failed;
        socket.write(request);
      }),
    close: () => void socket.destroy(),
  };
}

/** @returns undefined while it is not whole */
function readAnswer(bytes: Buffer): Answer | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd === -1) return undefined;
  const head = bytes.toString('latin1', 0, headEnd);
  const status = Number(head.slice(9, 12));
  const start = headEnd + 4;
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) {
    const end = start + Number(length);
    return bytes.length < end ? undefined : { status, head, body: bytes.subarray(start, end) };
  }
  if (status === 204 || status === 304) return { status, head, body: bytes.subarray(start) };
  // In chunks (RFC 9112 §7.1), of which the last is empty.
  const isWhole = bytes.toString('latin1', Math.max(start, bytes.length - 5)) === '0\r\n\r\n';
  return isWhole ? { status, head, body: bytes.subarray(start) } : undefined;
}

/** The bytes of a request. */
export function requestBytes(method: string, path: string, headers: Record<string, string>, json?: object): Buffer {
  const body = json === undefined ? '' : JSON.stringify(json);
  const sized =
    json === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
  const lines = Object.entries({ host: 'localhost', ...headers, ...sized }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
}
