/** What `npm run dev` starts: everything on this machine, with nothing to set up. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseEnv } from 'node:util';
import closeWithGrace from 'close-with-grace';
import pretty from 'pino-pretty';
import { type Config, ConfigError, loadConfig } from '../src/config.js';
import { type Server, startServer } from '../src/start-server.js';
import { developmentMail } from './development-mail.js';
import { buildPlayground, developmentPlayground } from './development-playground.js';
import { type RunningPostgres, startEmbeddedPostgres } from './embedded-postgres.js';

const DEV_FOLDER = '.gatehouse';
const PLAYGROUND_FOLDER = path.resolve(DEV_FOLDER, 'playground');

const fromFile = existsSync('.env') ? parseEnv(await readFile('.env', 'utf8')) : {};
// An empty variable counts as not set, as .env.example leaves some.
const given = Object.fromEntries(Object.entries({ ...fromFile, ...process.env }).filter(([, value]) => value));
const port = given.PORT ?? '3000';

let postgres: Promise<RunningPostgres> | undefined;
let server: Server | undefined;

// First of all: Ctrl-C may come while everything is only starting.
closeWithGrace({ delay: 10_000, logger: false }, async ({ err }) => {
  if (err) console.error(explain(err));
  await server?.close();
  await stopPostgres();
});
stopWithParent();

try {
  if (!given.DATABASE_URL) postgres = startEmbeddedPostgres({ folder: path.join(DEV_FOLDER, 'postgres') });
  const issuer = given.ISSUER_URL ?? `http://localhost:${port}`;
  // While Postgres starts, and awaited with it, so that neither fails with nobody listening.
  const [running, appSecret] = await Promise.all([postgres, developmentSecret(), buildPlayground(PLAYGROUND_FOLDER)]);
  const config = loadConfig({
    ISSUER_URL: issuer,
    COOKIE_SECURE: 'false',
    MIGRATE_ON_START: 'true',
    ...developmentMail(issuer),
    ...developmentPlayground(issuer),
    ...given,
    DATABASE_URL: given.DATABASE_URL ?? running?.url('postgres'),
    APP_SECRETS: given.APP_SECRETS ?? appSecret,
  });
  server = startServer(config, {
    playgroundFolder: PLAYGROUND_FOLDER,
    logStream: pretty({ ignore: 'pid,hostname,service', translateTime: 'SYS:HH:MM:ss' }),
  });
  await server.ready;
  console.log(banner(config, { embedded: postgres !== undefined }));
} catch (error) {
  await stopPostgres();
  console.error(error instanceof ConfigError ? error.message : explain(error));
  process.exit(1);
}

/** Waits for one that is only starting. */
async function stopPostgres(): Promise<void> {
  const running = await postgres?.catch(() => undefined);
  await running?.stop();
}

/** A signal to npm ends npm and its shell, and would leave this process behind. */
function stopWithParent(): void {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGTERM');
  }, 500).unref();
}

/** Made once and kept, so that sign-ins outlive a restart. */
async function developmentSecret(): Promise<string> {
  const file = path.join(DEV_FOLDER, 'app-secrets');
  await mkdir(DEV_FOLDER, { recursive: true });
  if (!existsSync(file)) await writeFile(file, randomBytes(32).toString('base64url'), { mode: 0o600 });
  return (await readFile(file, 'utf8')).trim();
}

function explain(error: unknown): string {
  if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') {
    return `Port ${port} is taken. Start with another one: PORT=3001 npm run dev`;
  }
  return `Gatehouse could not start: ${error instanceof Error ? error.stack : error}`;
}

function banner({ issuer: url, mail, playgroundEnabled }: Config, { embedded }: { embedded: boolean }): string {
  const playground = playgroundEnabled ? `\n    Playground  ${url}/playground` : '';
  const mailbox = mail?.smtpUrl === 'memory:' ? `\n    Mailbox     ${url}/dev/mailbox` : '';
  return `
  Gatehouse is ready.

    API         ${url}
    Reference   ${url}/docs${playground}${mailbox}
    Database    ${embedded ? `embedded PostgreSQL; data in ${DEV_FOLDER}/ (npm run dev:reset forgets them)` : 'as DATABASE_URL says'}

  Try it:

    curl -i -c cookies.txt ${url}/v1/auth/register \\
      -H 'content-type: application/json' \\
      -d '{"email":"ada@example.com","password":"correct horse battery staple"}'

  Ctrl-C stops everything.
`;
}
