import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  bindMigrationAwareSqlAdapterFactory,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';

type SchemaEngineModule = typeof import('@prisma/schema-engine-wasm/schema_engine_bg');
type SchemaEngine = Awaited<ReturnType<SchemaEngineModule['SchemaEngine']['new']>>;
type MigrationList = Parameters<SchemaEngine['applyMigrations']>[0]['migrationsList'];
type SchemaFile = { path: string; content: string };

/** The `prisma/` folder stands beside `src/` and beside `dist/` alike. */
const prismaFolder = fileURLToPath(new URL('../../prisma/', import.meta.url));
const migrationsFolder = path.join(prismaFolder, 'migrations');

/** Every table counts: none is managed by somebody else. */
export const NO_FILTERS = { externalTables: [], externalEnums: [] };

/**
 * Runs `work` with Prisma's schema engine as WebAssembly, the migrations on disk and `schema.prisma`.
 *
 * Prisma's CLI would fetch a native engine from a host that locked-down networks and slim images cannot reach; this is
 * the same engine, at the commit of the Prisma in use, from npm.
 */
export async function withSchemaEngine<Result>(
  adapterFactory: SqlMigrationAwareDriverAdapterFactory,
  work: (engine: SchemaEngine, migrations: MigrationList, schemaFile: SchemaFile) => Promise<Result>,
): Promise<Result> {
  const { SchemaEngine } = await loadSchemaEngine();
  const schemaPath = path.join(prismaFolder, 'schema.prisma');
  const schemaFile = { path: schemaPath, content: await readFile(schemaPath, 'utf8') };
  const { factory, disposeAll } = mended(adapterFactory);
  const panic: { message?: string } = {};
  globalThis.PRISMA_WASM_PANIC_REGISTRY = {
    set_message: (message) => {
      panic.message = message;
    },
  };
  try {
    const datamodels: [string, string][] = [[schemaFile.path, schemaFile.content]];
    const adapter = bindMigrationAwareSqlAdapterFactory(factory);
    const engine = await SchemaEngine.new({ datamodels }, () => {}, adapter);
    try {
      return await work(engine, await readMigrations(), schemaFile);
    } finally {
      engine.free();
    }
  } catch (cause) {
    if (panic.message === undefined) throw cause;
    // What is left of an engine that panicked is not to be used again.
    globalThis.gatehouseSchemaEngine = undefined;
    throw new Error(`Prisma's schema engine failed: ${panic.message}`, { cause });
  } finally {
    await disposeAll();
  }
}

declare global {
  /** The package's glue holds one instance for the whole process, so that two copies of this file must share it. */
  var gatehouseSchemaEngine: Promise<SchemaEngineModule> | undefined;
  /** Where the engine says why it panicked; without it, all that can be seen is that it did. */
  var PRISMA_WASM_PANIC_REGISTRY: { set_message: (message: string) => void };
}

/** Prisma's adapter for Postgres, with two habits mended that do harm here. */
function mended(inner: SqlMigrationAwareDriverAdapterFactory) {
  const opened: SqlDriverAdapter[] = [];

  /** Sends a script as one message, and so as one transaction; the adapter would cut it at every semicolon. */
  function sendWhole(adapter: SqlDriverAdapter): SqlDriverAdapter {
    const { client } = adapter as SqlDriverAdapter & { client: { query: (sql: string) => Promise<unknown> } };
    adapter.executeScript = async (script) => {
      await client.query(script);
    };
    return adapter;
  }

  const factory: SqlMigrationAwareDriverAdapterFactory = {
    provider: inner.provider,
    adapterName: inner.adapterName,
    // The engine closes the shadow database's connections but never these: remember them, to close them.
    connect: async () => {
      const adapter = sendWhole(await inner.connect());
      opened.push(adapter);
      return adapter;
    },
    connectToShadowDb: async () => sendWhole(await inner.connectToShadowDb()),
  };
  return { factory, disposeAll: () => Promise.all(opened.map((adapter) => adapter.dispose())) };
}

/** Node has it; Node's types do not (they leave it to those of the browser). */
declare const WebAssembly: {
  instantiate: (bytes: Uint8Array, imports: object) => Promise<{ instance: { exports: Record<string, unknown> } }>;
};

function loadSchemaEngine(): Promise<SchemaEngineModule> {
  globalThis.gatehouseSchemaEngine ??= instantiateSchemaEngine();
  return globalThis.gatehouseSchemaEngine;
}

async function instantiateSchemaEngine(): Promise<SchemaEngineModule> {
  // Node 20 cannot import a .wasm file, which the package's own entry does; so it is loaded by hand.
  const glue = await import('@prisma/schema-engine-wasm/schema_engine_bg');
  const entry = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const bytes = await readFile(path.join(path.dirname(entry), 'schema_engine_bg.wasm'));
  const imports = Object.fromEntries(
    Object.entries(glue).map(([name, value]) => [name, name.startsWith('__wbg_setTimeout') ? setIdleTimeout : value]),
  );
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': imports });
  glue.__wbg_set_wasm(instance.exports);
  (instance.exports.__wbindgen_start as () => void)();
  return glue;
}

/** The engine leaves a timer of ten seconds behind: it must not keep a process from ending. */
function setIdleTimeout(callback: () => void, milliseconds: number): NodeJS.Timeout {
  return setTimeout(callback, milliseconds).unref();
}

/** The migrations that this version has, oldest first. */
export async function migrationNames(): Promise<string[]> {
  const entries = await readdir(migrationsFolder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

async function readMigrations(): Promise<MigrationList> {
  const names = await migrationNames();
  return {
    baseDir: migrationsFolder,
    lockfile: {
      path: 'migration_lock.toml',
      content: await readFile(path.join(migrationsFolder, 'migration_lock.toml'), 'utf8'),
    },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(names.map(readMigration)),
  };
}

async function readMigration(name: string) {
  const sql = await readFile(path.join(migrationsFolder, name, 'migration.sql'), 'utf8');
  return { path: name, migrationFile: { path: 'migration.sql', content: { tag: 'ok' as const, value: sql } } };
}
