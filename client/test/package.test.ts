import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { build } from 'vite';
import { expect, onTestFinished, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
const manifest = JSON.parse(readFileSync(path.join(root, 'client/package.json'), 'utf8'));

test('is less than 3 kB for an app that bundles, minifies and compresses it', async () => {
  const input = path.join(root, 'client/src/index.ts');
  const built = await build({
    configFile: false,
    root,
    logLevel: 'silent',
    build: {
      write: false,
      minify: true,
      modulePreload: false,
      rolldownOptions: { input, preserveEntrySignatures: 'strict', output: { format: 'es', minify: true } },
    },
  });
  const [output] = [built].flat();
  const chunks = output !== undefined && 'output' in output ? output.output : expect.unreachable('not built');
  expect(chunks).toHaveLength(1);
  const code = chunks[0].code;
  expect(code).toContain('createClient');
  expect(code).toContain('/v1/auth/refresh');
  expect(gzipSync(code, { level: 9 }).length).toBeLessThan(3_000);
});

test('is a package that others can install: nothing to complain of, no dependency, types beside the code', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'gatehouse-client-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const dist = path.join(folder, 'dist');
  execFileSync('npx', ['tsc', '-p', 'client', '--outDir', dist], { cwd: root });
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest));
  const { messages } = await publint({ pkgDir: folder, pack: false, strict: true });
  expect(messages.map((message) => formatMessage(message, manifest))).toEqual([]);
  for (const file of [manifest.exports['.'].types, manifest.exports['.'].default]) {
    expect(existsSync(path.join(folder, file))).toBe(true);
  }
  expect(Object.keys(manifest)).not.toContain('dependencies');
  const texts = readdirSync(dist).map((name) => readFileSync(path.join(dist, name), 'utf8'));
  const imported = texts.flatMap((text) => [...text.matchAll(/from '([^']+)'/g)].map(([, name]) => name));
  expect(imported.length).toBeGreaterThan(5);
  expect(imported.filter((name) => !name?.startsWith('./'))).toEqual([]);
  const { createClient, GatehouseError } = await import(path.join(dist, 'index.js'));
  expect([typeof createClient, typeof GatehouseError]).toEqual(['function', 'function']);
});
