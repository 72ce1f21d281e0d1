import { createHash, randomBytes } from 'node:crypto';
import { Writable } from 'node:stream';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse as Response } from 'fastify';
import { onTestFinished } from 'vitest';
import { type BuildAppOptions, buildApp } from '../../src/app.js';
import { loadConfig } from '../../src/config.js';
import { createHashWorkers, type HashWorkers } from '../../src/modules/passwords/hash-workers.js';
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
  /** The same as it was written, byte for byte. */
  logText: () => string;
};

/** Builds an app on this worker's database, with quick hashes and no rate limits; `environment` overrides. Closed after the test. */
export async function buildTestApp(
  environment: NodeJS.ProcessEnv = {},
  options: BuildAppOptions = {},
): Promise<TestApp> {
  const built = await build(environment, options);
  onTestFinished(() => built.app.close());
  return withLogFrom(0, built);
}

const sharedApps = new Map<string, Promise<BuiltApp>>();

/**
 * As `buildTestApp`, but one app for all tests of a file that ask for the same `environment`: building one takes longer
 * than most tests. The log is what was written since this call. For tests that look at the service from outside; who
 * counts what it does, takes something away from it, or needs it to have seen nothing yet builds one of their own.
 */
export async function sharedTestApp(environment: NodeJS.ProcessEnv = {}): Promise<TestApp> {
  const key = JSON.stringify(Object.entries(environment).sort());
  const built = sharedApps.get(key) ?? build(environment);
  sharedApps.set(key, built);
  const ready = await built;
  return withLogFrom(ready.written.length, ready);
}

type BuiltApp = { app: FastifyInstance; written: string[] };

async function build(environment: NodeJS.ProcessEnv, options: BuildAppOptions = {}): Promise<BuiltApp> {
  const written: string[] = [];
  const logStream = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  const config = loadConfig(await testEnvironment(environment));
  const ownWorkers = Object.keys(environment).some((name) => name.startsWith('HASH_'));
  const app = await buildApp(config, {
    logStream,
    ...(ownWorkers ? {} : { hashWorkers: sharedWorkers() }),
    ...options,
  });
  return { app, written };
}

function withLogFrom(start: number, { app, written }: BuiltApp): TestApp {
  const logText = () => written.slice(start).join('');
  const logLines = () =>
    logText()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as LogLine);
  return { app, logLines, logText };
}

let workers: HashWorkers | undefined;

/** One set of worker threads for all files of a worker: starting one, and its dictionaries, take longer than most tests. */
function sharedWorkers(): HashWorkers {
  workers ??= createHashWorkers({ concurrency: 1, queue: 200 });
  return workers;
}

/** Ends what the tests of a file share. */
export async function closeSharedApps(): Promise<void> {
  const built = await Promise.allSettled(sharedApps.values());
  sharedApps.clear();
  // One that could not be built has failed the tests that asked for it.
  for (const one of built) if (one.status === 'fulfilled') await one.value.app.close();
}

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
    SIGN_IN_FAILURES_PER_ADDRESS: '0',
    DOCS_ENABLED: 'false',
    // Files of tests share their process with each other.
    MAX_EVENT_LOOP_DELAY_MS: '0',
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
