import fc from 'fast-check';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse as Response } from 'fastify';
import { beforeAll, describe, expect, test } from 'vitest';
import { createContract } from '../support/contract.js';
import { type Operation, readOpenApi, sampleBody, urlOf } from '../support/openapi.js';
import { type BodyChange, type FuzzedRequest, requestsTo } from '../support/request-arbitrary.js';
import { COOKIE, register, type SignedIn, sharedTestApp } from '../support/test-app.js';

/**
 * More of it: FUZZ_RUNS=2000 npx vitest run --project integration contract-fuzz. What fails prints the request, as small as
 * it could be made, with a seed; FUZZ_SEED takes that.
 */
const RUNS = Number(process.env.FUZZ_RUNS ?? 100);
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_122);

const contract = createContract(readOpenApi());

describe('the service', () => {
  let app: FastifyInstance;
  let person: SignedIn;

  beforeAll(async () => {
    // Mails go to a port at which nobody listens: they wait in the outbox.
    ({ app } = await sharedTestApp({
      SMTP_URL: 'smtp://127.0.0.1:9',
      MAIL_FROM: 'no-reply@example.test',
      APP_URL: 'https://app.example.test/account',
      ALLOWED_ORIGINS: 'https://app.example.test',
      TRUSTED_PROXIES: '127.0.0.1',
    }));
  });

  test.each(contract.operations.map((operation) => [operation.id, operation] as const))(
    'answers %s as the OpenAPI document says, whatever is sent',
    async (_id, operation) => {
      person = await register(app);
      const statuses = new Set<number>();
      await fc.assert(
        fc.asyncProperty(requestsTo(operation), async (fuzzed) => {
          const response = await app.inject(requestOf(operation, fuzzed, person));
          statuses.add(response.statusCode);
          // A fault in the name of the property is what fast-check makes smaller.
          const fault = faultOf(operation, response);
          if (fault !== undefined) throw new Error(fault);
          if (operation.method !== 'GET' && response.statusCode < 300) person = await register(app);
        }),
        {
          seed: SEED,
          numRuns: RUNS,
          endOnFailure: false,
          interruptAfterTimeLimit: 60_000,
          markInterruptAsFailure: false,
        },
      );
      expect(statuses.size).toBeGreaterThan(operation.method === 'GET' && !operation.guarded ? 0 : 1);
    },
    120_000,
  );
});

/** A path that no route can match is none of the operation's answers. */
function faultOf(operation: Operation, response: Response): string | undefined {
  const isElsewhere = response.statusCode === 404 && response.json().code === 'not_found';
  return isElsewhere && operation.path.includes('{') ? undefined : contract.faultOf(operation, response);
}

function requestOf(operation: Operation, fuzzed: FuzzedRequest, person: SignedIn): InjectOptions {
  const { url, separator } = withoutQuery(operation, fuzzed);
  const headers: Record<string, string> = { ...fuzzed.headers };
  const bearer = { good: person.accessToken, garbage: 'a.b.c', none: undefined, 'refresh token': person.refreshToken };
  if (bearer[fuzzed.bearer] !== undefined) headers.authorization = `Bearer ${bearer[fuzzed.bearer]}`;
  const good = `${COOKIE}=${person.refreshToken}`;
  const cookie = { good, garbage: `${COOKIE}=x`, none: undefined, twice: `${good}; ${good}` }[fuzzed.cookie];
  if (cookie !== undefined) headers.cookie = cookie;
  const { method } = operation;
  const request: InjectOptions = { method, url: fuzzed.query === '' ? url : `${url}${separator}${fuzzed.query}` };
  return { ...request, ...(method === 'GET' ? { headers } : payloadOf(operation, fuzzed.body, headers)) };
}

function withoutQuery(operation: Operation, { parameters }: FuzzedRequest) {
  const url = urlOf(operation, parameters);
  return { url, separator: url.includes('?') ? '&' : '?' };
}

function payloadOf(operation: Operation, change: BodyChange, headers: Record<string, string>) {
  if (change.kind === 'raw') {
    return { payload: change.text, headers: { ...headers, 'content-type': change.contentType } };
  }
  const json = changed(sampleBody(operation), change);
  if (json === undefined) return { headers };
  return { payload: JSON.stringify(json), headers: { 'content-type': 'application/json', ...headers } };
}

function changed(body: Record<string, unknown>, change: Exclude<BodyChange, { kind: 'raw' }>): unknown {
  switch (change.kind) {
    case 'nothing':
      return Object.keys(body).length === 0 ? undefined : body;
    case 'replace':
      return change.value;
    case 'drop':
      return Object.fromEntries(Object.entries(body).filter(([name]) => name !== change.name));
    default:
      return Object.fromEntries([...Object.entries(body), [change.name, change.value]]);
  }
}
