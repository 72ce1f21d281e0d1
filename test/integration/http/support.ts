import { STATUS_CODES } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse as Response } from 'fastify';
import pg from 'pg';
import { expect, onTestFinished, vi } from 'vitest';
import { sql } from '../../support/database.js';

type Problem = {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  request_id: string;
  reason?: string;
  errors?: { path: string; message: string }[];
};

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const WITH_ERRORS = new Set(['validation_failed', 'password_rejected']);
const WITH_REASON = new Set(['session_ended', 'session_expired']);

/** Checks that an answer is the problem document of this code with exactly the members of the contract. */
export function expectProblem(response: Response, status: number, code: string): Problem {
  expect({ status: response.statusCode, code: codeOf(response) }).toEqual({ status, code });
  const { 'x-request-id': requestId = response.json().request_id } = response.headers;
  expect(requestId).toBe(response.json().request_id);
  return expectProblemBody(response.headers['content-type'], response.body, status, code);
}

/** As `expectProblem`, for what came over a bare socket. */
export function expectProblemBody(contentType: unknown, body: string, status: number, code: string): Problem {
  expect(contentType).toMatch(/^application\/problem\+json(; charset=utf-8)?$/);
  const problem = JSON.parse(body) as Problem;
  const optional = [...(WITH_REASON.has(code) ? ['reason'] : []), ...(WITH_ERRORS.has(code) ? ['errors'] : [])];
  const members = ['type', 'title', 'status', 'code', 'detail', 'request_id', ...optional];
  expect(Object.keys(problem).sort()).toEqual(members.sort());
  expect(problem).toMatchObject({ type: 'about:blank', title: STATUS_CODES[status], status, code });
  expect(problem.detail).toMatch(/^[A-Z“"].{5,}/);
  expect(problem.request_id).toMatch(UUID);
  for (const entry of problem.errors ?? []) expect(Object.keys(entry).sort()).toEqual(['message', 'path']);
  return problem;
}

/** The code of a problem document; undefined for anything else. */
export function codeOf(response: Response): string | undefined {
  const isProblem = String(response.headers['content-type']).startsWith('application/problem+json');
  return isProblem && response.body !== '' ? response.json().code : undefined;
}

export function post(app: FastifyInstance, url: string, body?: object, more: InjectOptions = {}): Promise<Response> {
  return app.inject({ method: 'POST', url, ...(body === undefined ? {} : { payload: body }), ...more });
}

/** Posts text or bytes as they are, said to be JSON unless the headers say otherwise. */
export function postRaw(app: FastifyInstance, url: string, payload: string | Buffer, headers: object = {}) {
  return app.inject({ method: 'POST', url, payload, headers: { 'content-type': 'application/json', ...headers } });
}

export function bearer(accessToken: string): { authorization: string } {
  return { authorization: `Bearer ${accessToken}` };
}

type SessionRow = {
  generation: number;
  transport: string;
  ended_at: Date | null;
  end_reason: string | null;
  idle_expires_at: Date;
  expires_at: Date;
  ip: string | null;
  user_agent: string | null;
};

export async function sessionRow(sessionId: string): Promise<SessionRow> {
  const [row] = await sql<SessionRow>('SELECT * FROM sessions WHERE id = $1', [sessionId]);
  return row ?? expect.unreachable(`no session ${sessionId}`);
}

export async function countUsers(email: string): Promise<number> {
  const [row] = await sql<{ count: number }>('SELECT count(*)::int AS count FROM users WHERE email = $1', [email]);
  return row?.count ?? 0;
}

export type RawAnswer = { status: number; headers: Record<string, string>; body: string };

/** Writes bytes to a real socket of the service, and reads until the service closes it. */
export async function exchange(app: FastifyInstance, request: string | Buffer): Promise<RawAnswer> {
  if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const text = await new Promise<string>((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    socket.setTimeout(5_000, () => socket.destroy(new Error('no answer in time')));
    socket.on('data', (chunk) => chunks.push(chunk));
    // A reset after the answer is how Node closes a socket whose request it did not read to the end.
    socket.on('error', (error) => (chunks.length > 0 ? resolve(Buffer.concat(chunks).toString()) : reject(error)));
    socket.on('end', () => socket.end());
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()));
  });
  return parseAnswer(text);
}

function parseAnswer(text: string): RawAnswer {
  const end = text.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  return { status: Number(statusLine.split(' ')[1]), headers, body: text.slice(end + 4) };
}

/** Counts what is asked of databases from now on, or of one of them alone, by the text of the statement. */
export function watchQueries(databaseUrl?: string): (mentioned: string) => number {
  const query = vi.spyOn(pg.Client.prototype, 'query');
  onTestFinished(() => query.mockRestore());
  const name = databaseUrl && new URL(databaseUrl).pathname.slice(1);
  const counts = (client: unknown) => name === undefined || (client as pg.Client).database === name;
  return (mentioned) =>
    query.mock.calls.filter(
      ([asked], index) => counts(query.mock.contexts[index]) && JSON.stringify(asked).includes(mentioned),
    ).length;
}
