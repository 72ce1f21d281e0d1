import { createHash, randomBytes } from 'node:crypto';
import { Writable } from 'node:stream';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse as Response } from 'fastify';
import { afterAll, onTestFinished } from 'vitest';
import { buildApp } from '../../src/app.js';
import { loadConfig } from '../../src/config.js';
import { createHashWorkers, type HashWorkers } from '../../src/modules/accounts/hash-workers.js';
import { testDatabaseUrl } from './database.js';

/** The same for all test apps, so that several of them can work on one database as instances of one service. */
export const TEST_SECRET = createHash('sha256').update('a secret for tests').digest('base64url');

export const ISSUER = 'https://auth.example.test';
export const COOKIE = '__Host-refresh_token';
export const PASSWORD = 'correct horse battery staple';

export type LogLine = Record<string, unknown>;

export type TestApp = {
  app: FastifyInstance;
  /** What was logged so far, one object a line. */
  logLines: () => LogLine[];
};

/** Builds an app on this worker's database, with quick hashes and no rate limits; `environment` overrides. Closed after the test. */
export async function buildTestApp(environment: NodeJS.ProcessEnv = {}): Promise<TestApp> {
  const lines: string[] = [];
  const logStream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(...String(chunk).trim().split('\n'));
      done();
    },
  });
  const config = loadConfig(await testEnvironment(environment));
  const ownWorkers = Object.keys(environment).some((name) => name.startsWith('HASH_'));
  const app = await buildApp(config, { logStream, ...(ownWorkers ? {} : { hashWorkers: sharedWorkers() }) });
  onTestFinished(() => app.close());
  return { app, logLines: () => lines.map((line) => JSON.parse(line) as LogLine) };
}

let shared: HashWorkers | undefined;

/** One set of worker threads for all apps of a test file: starting a thread takes longer than most tests. */
function sharedWorkers(): HashWorkers {
  shared ??= createHashWorkers({ concurrency: 1, queue: 200 });
  return shared;
}

afterAll(async () => {
  await shared?.close();
  shared = undefined;
});

export async function testEnvironment(environment: NodeJS.ProcessEnv = {}): Promise<NodeJS.ProcessEnv> {
  return {
    DATABASE_URL: await testDatabaseUrl(),
    APP_SECRETS: TEST_SECRET,
    ISSUER_URL: ISSUER,
    BCRYPT_COST: '4',
    HASH_CONCURRENCY: '1',
    HASH_QUEUE: '200',
    RATE_LIMIT_PER_MINUTE: '0',
    RATE_LIMIT_CREDENTIALS_PER_MINUTE: '0',
    DOCS_ENABLED: 'false',
    ...environment,
  };
}

let addresses = 0;

/** An address that no other test uses. */
export function freshEmail(): string {
  addresses += 1;
  return `person-${process.env.VITEST_POOL_ID}-${process.pid}-${addresses}-${randomBytes(3).toString('hex')}@example.test`;
}

export type SignedIn = {
  email: string;
  accessToken: string;
  refreshToken: string;
  sessionId: string;
  userId: string;
};

/** Registers a new person. */
export async function register(app: FastifyInstance, body: object = {}): Promise<SignedIn> {
  const email = freshEmail();
  const response = await app.inject({
    method: 'POST',
    url: '/v1/auth/register',
    payload: { email, password: PASSWORD, ...body },
  });
  if (response.statusCode !== 201) throw new Error(`register: ${response.statusCode} ${response.body}`);
  return { email, ...readTokens(response) };
}

/** One more session of a person. */
export async function logIn(app: FastifyInstance, email: string): Promise<SignedIn> {
  const response = await app.inject({ method: 'POST', url: '/v1/auth/login', payload: { email, password: PASSWORD } });
  if (response.statusCode !== 200) throw new Error(`login: ${response.statusCode} ${response.body}`);
  return { email, ...readTokens(response) };
}

export function readTokens(response: Response): Omit<SignedIn, 'email'> {
  const body = response.json();
  return {
    accessToken: body.access_token,
    refreshToken: body.refresh_token ?? cookieOf(response) ?? '',
    sessionId: body.session.id,
    userId: body.user.id,
  };
}

export function cookieOf(response: Response): string | undefined {
  return response.cookies.find(({ name }) => name === COOKIE)?.value;
}

/** Presents a refresh token in the cookie. */
export function refresh(app: FastifyInstance, refreshToken: string, more: InjectOptions = {}): Promise<Response> {
  return app.inject({
    method: 'POST',
    url: '/v1/auth/refresh',
    ...more,
    headers: { cookie: `${COOKIE}=${refreshToken}`, ...more.headers },
  });
}

/** Asks who one is, with an access token. */
export function getMe(app: FastifyInstance, accessToken: string): Promise<Response> {
  return app.inject({ url: '/v1/me', headers: { authorization: `Bearer ${accessToken}` } });
}
