import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as open,
  type RequestListener,
  type RequestOptions,
  type ServerResponse,
} from 'node:http';
import { createSecureServer } from 'node:http2';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';

export type Answer = {
  status: number;
  headers?: IncomingHttpHeaders;
  body?: string | Buffer;
  /** Whether the connection breaks after what there is of the body. */
  breaksOff?: boolean;
};

export type Exchange = {
  method: string;
  /** With the query. */
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** Lets the server behind the line carry it out, with other headers if given. Its answer goes no further until it is returned. */
  pass(changed?: IncomingHttpHeaders): Promise<Answer>;
};

/** What happens to a request on its way: what is returned is the answer; `cut` breaks the connection without a byte. */
export type Handler = (exchange: Exchange) => Promise<Answer | 'cut'>;

export type Line = {
  /** Where browsers reach it. */
  origin: string;
  /** What came so far, oldest first; `status` once it is answered, 0 when it was cut. */
  exchanges: { method: string; path: string; headers: IncomingHttpHeaders; status?: number }[];
  /** Where requests go from now on. */
  leadTo(target: string): void;
  /** Requests of this path (or any) are handled so, before any earlier handler of it, until the returned function is called. */
  handle(path: string | null, handler: Handler): () => void;
};

/** A server of its own in front of another, which can be disturbed at will. Closed after the test. */
export async function startLine(hostname = 'localhost', { https = false } = {}): Promise<Line> {
  let target = '';
  const handlers: { path: string | null; handler: Handler }[] = [];
  const exchanges: Line['exchanges'] = [];
  const listener: RequestListener = async (incoming, outgoing) => {
    const { method = '', url = '' } = incoming;
    const headers = headersOf(incoming);
    const record: Line['exchanges'][number] = { method, path: url, headers };
    exchanges.push(record);
    const body = await buffer(incoming).catch(() => null);
    if (!body) return;
    const pass: Exchange['pass'] = (changed) => forward(target, incoming, { ...headers, ...changed }, body);
    const exchange = { method, path: url, headers, body, pass };
    const found = handlers.find((one) => one.path === null || one.path === url.split('?')[0]);
    const answer = await (found ? found.handler(exchange) : exchange.pass()).catch(() => 'cut' as const);
    record.status = answer === 'cut' ? 0 : answer.status;
    if (answer === 'cut') incoming.socket.destroy();
    else send(outgoing, answer);
  };
  const server = https ? createHttp2Server(listener) : createServer(listener);
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, hostname === 'localhost' ? hostname : '127.0.0.1', resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The line has no port.');
  return {
    origin: `${https ? 'https' : 'http'}://${hostname}:${address.port}`,
    exchanges,
    leadTo(origin) {
      target = origin;
    },
    handle(path, handler) {
      const one = { path, handler };
      handlers.unshift(one);
      return () => void handlers.splice(handlers.indexOf(one), 1);
    },
  };
}

function send(outgoing: ServerResponse, { status, headers, body, breaksOff }: Answer): void {
  outgoing.writeHead(status, headers);
  if (breaksOff) outgoing.write(body ?? '', () => outgoing.socket?.destroy());
  else outgoing.end(body);
}

/** As browsers speak with services on the web. What differs for the listener, `headersOf` makes up for. */
function createHttp2Server(listener: RequestListener) {
  return createSecureServer({ ...certificate(), allowHTTP1: true }, listener as never);
}

function headersOf({ headers }: IncomingMessage): IncomingHttpHeaders {
  const named = Object.entries(headers).filter(([name]) => !name.startsWith(':'));
  return { host: headers[':authority']?.toString(), ...Object.fromEntries(named) };
}

/** Without keeping connections: what a server breaks off is then this one answer. */
function forward(
  target: string,
  { method, url, socket }: IncomingMessage,
  asked: IncomingHttpHeaders,
  body: Buffer,
): Promise<Answer> {
  const headers = { ...withoutConnection(asked), 'x-forwarded-for': socket.remoteAddress };
  return new Promise((resolve, reject) => {
    const passed = open(`${target}${url}`, { method, headers, agent: false } as RequestOptions, async (response) => {
      const { statusCode: status = 0 } = response;
      // Counted anew, since tests may put another body in the place of this one.
      const { 'content-length': _, ...answered } = withoutConnection(response.headers);
      const whole = buffer(response).then((read) => ({
        status,
        headers: answered,
        body: read,
      }));
      whole.then(resolve, reject);
    });
    passed.once('error', reject);
    passed.end(body);
  });
}

/** What concerns one connection only (RFC 9110 §7.6.1). */
function withoutConnection(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const { connection: _, 'keep-alive': __, 'transfer-encoding': ___, ...rest } = headers;
  return rest;
}

let made: { key: string; cert: string } | undefined;

function certificate() {
  made ??= makeCertificate();
  return made;
}

/** Signed by nobody, for the names of tests. Node can make keys, but no certificates. */
function makeCertificate() {
  const folder = mkdtempSync(path.join(tmpdir(), 'gatehouse-certificate-'));
  try {
    const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
    const options = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    const names = ['-subj', '/CN=example.test', '-addext', 'subjectAltName=DNS:*.example.test,DNS:*.othersite.test'];
    execFileSync('openssl', ['req', '-x509', ...options, ...names, '-keyout', key, '-out', cert], { stdio: 'pipe' });
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
