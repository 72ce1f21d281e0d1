import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as open,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
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
  /** Lets the server behind the line carry it out. Its answer goes no further until it is returned. */
  pass(): Promise<Answer>;
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
    const { method = '', url = '', headers } = incoming;
    const record: Line['exchanges'][number] = { method, path: url, headers };
    exchanges.push(record);
    const body = await buffer(incoming).catch(() => null);
    if (!body) return;
    const exchange = { method, path: url, headers, body, pass: () => forward(target, incoming, body) };
    const found = handlers.find((one) => one.path === null || one.path === url.split('?')[0]);
    const answer = await (found ? found.handler(exchange) : exchange.pass()).catch(() => 'cut' as const);
    record.status = answer === 'cut' ? 0 : answer.status;
    if (answer === 'cut') incoming.socket.destroy();
    else send(outgoing, answer);
  };
  const server = https ? createTlsServer(certificate(), listener) : createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, hostname === 'localhost' ? hostname : '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
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

/** Without keeping connections: what a server breaks off is then this one answer. */
function forward(target: string, { method, url, headers, socket }: IncomingMessage, body: Buffer): Promise<Answer> {
  const { connection: _, ...rest } = headers;
  const forwarded = { ...rest, 'x-forwarded-for': socket.remoteAddress };
  return new Promise((resolve, reject) => {
    const passed = open(`${target}${url}`, { method, headers: forwarded, agent: false } as object, (response) => {
      const { connection: _, 'transfer-encoding': __, ...answered } = response.headers;
      buffer(response).then(
        (read) => resolve({ status: response.statusCode ?? 0, headers: answered, body: read }),
        reject,
      );
    });
    passed.once('error', reject);
    passed.end(body);
  });
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
