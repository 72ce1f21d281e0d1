// Deletes from an installed node_modules what no process in the image ever loads: five sixths of it.
//
//   node deploy/prune-node-modules.mjs <node_modules>
//
// Only what a rule names goes; what is new or unknown stays. The list at the end must have survived, so that a rule
// that no longer fits a newer version of a package fails the build, not the service.
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(process.argv[2] ?? 'node_modules');

/** Whole packages that production code depends on by name only. */
const PACKAGES = [
  // Type declarations.
  /^@types\//,
  /^undici-types$/,
  // C++ headers to compile bcrypt with; it comes compiled.
  /^node-addon-api$/,
];

/** Folders, from the root of the package they are in: a folder deeper down may be code that has such a name. */
const FOLDERS = [
  { name: /^(test|tests|__tests__|bench|benchmark|benchmarks|example|examples|doc|docs|\.github)$/ },
  // Sources that were compiled to prebuilds/, and the prebuilds of other platforms than this one.
  { in: 'bcrypt', name: /^src$/ },
  { in: 'bcrypt', parent: 'prebuilds', name: new RegExp(`^(?!${process.platform}-${process.arch}$)`) },
];

const FILES = [
  // Never loaded in production: stack traces inside of packages name compiled lines, which is enough. Prisma's own is
  // 1 MB, and would be read and parsed at the first error, since the service runs with --enable-source-maps.
  { name: /\.map$/ },
  // Declarations, and sources: Node refuses to run TypeScript that lies in node_modules.
  { name: /\.[cm]?ts$/ },
  // Texts. LICENSE and NOTICE stay, as their terms ask; so does a README that is all the licence there is.
  { name: /\.(md|markdown)$/i, unless: (file) => isLicence(file.name) || (isReadme(file.name) && !file.hasLicence) },
  // @prisma/client holds a query compiler for each database in two builds, each for require() and for import.
  // The generated client imports one: see `compilerBuild` and `provider` in prisma/schema.prisma.
  {
    in: '@prisma/client',
    parent: 'runtime',
    name: /^query_compiler_/,
    unless: (file) => /^query_compiler_small_bg\.postgresql\.(wasm-base64\.)?mjs$/.test(file.name),
  },
  // Its runtimes for browsers and edge workers. Node takes client.js for import as well (see its package.json).
  { in: '@prisma/client', parent: 'runtime', name: /^(wasm-compiler-edge|index-browser)\.m?js$|^client\.mjs$/ },
];

/** From @prisma/client's generated code, database/schema-engine.ts and bcrypt.js. */
const MUST_STAY = [
  '@prisma/client/runtime/client.js',
  '@prisma/client/runtime/query_compiler_small_bg.postgresql.mjs',
  '@prisma/client/runtime/query_compiler_small_bg.postgresql.wasm-base64.mjs',
  '@prisma/schema-engine-wasm/schema_engine_bg.wasm',
  `bcrypt/prebuilds/${process.platform}-${process.arch}`,
];

function isLicence(name) {
  return /^(licen[cs]e|copying|notice)/i.test(name);
}

function isReadme(name) {
  return /^readme/i.test(name);
}

/** Walks the packages of a node_modules folder, and those that they bring for themselves. */
function prunePackages(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const at = path.join(folder, entry.name);
    if (entry.name === '.bin') remove(at);
    else if (!entry.isDirectory()) continue;
    else if (entry.name.startsWith('@')) {
      const scoped = readdirSync(at, { withFileTypes: true }).filter((inner) => inner.isDirectory());
      for (const inner of scoped) prunePackage(path.join(at, inner.name), `${entry.name}/${inner.name}`);
      // npm leaves the folders of scopes behind whose packages it did not install.
      if (readdirSync(at).length === 0) remove(at);
    } else prunePackage(at, entry.name);
  }
}

function prunePackage(folder, name) {
  if (PACKAGES.some((pattern) => pattern.test(name))) return remove(folder);
  const hasLicence = readdirSync(folder).some(isLicence);
  pruneFolder(folder, { package: name, hasLicence, parent: '' });
}

function pruneFolder(folder, { package: packageName, hasLicence, parent }) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const at = path.join(folder, entry.name);
    const { name } = entry;
    const fits = (rule) =>
      (rule.in === undefined || rule.in === packageName) &&
      (rule.parent === undefined || rule.parent === parent) &&
      rule.name.test(name) &&
      !rule.unless?.({ name, hasLicence });
    if (entry.isDirectory()) {
      if (name === 'node_modules') prunePackages(at);
      else if (FOLDERS.some((rule) => (rule.parent ?? '') === parent && fits(rule))) remove(at);
      else pruneFolder(at, { package: packageName, hasLicence, parent: path.posix.join(parent, name) });
    } else if (entry.isFile() && FILES.some(fits)) remove(at);
  }
}

function remove(at) {
  rmSync(at, { recursive: true });
}

function bytesIn(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(path.join(entry.parentPath, entry.name)).size, 0);
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

const before = bytesIn(root);
prunePackages(root);
console.log(`node_modules: ${megabytes(before)} before, ${megabytes(bytesIn(root))} after`);

const missing = MUST_STAY.filter((file) => !existsSync(path.join(root, file)));
if (missing.length > 0) {
  console.error(`Not there, though the service needs it: ${missing.join(', ')}`);
  process.exit(1);
}
