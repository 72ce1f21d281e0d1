// Writes dist/sbom.json: what the image ships, as CycloneDX. Part of the build, and so plain JavaScript; needs no network.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

// The package exports no entry to its command.
const cli = path.resolve('node_modules/@cyclonedx/cyclonedx-npm/bin/cyclonedx-npm-cli.js');
const options = ['--package-lock-only', '--mc-type', 'application', '--output-reproducible', '--spec-version', '1.6'];
const written = execFileSync(process.execPath, [cli, ...options, '--output-file', '-'], {
  encoding: 'utf8',
  maxBuffer: 64 * 1024 * 1024,
  stdio: ['ignore', 'pipe', 'ignore'],
  // It asks npm for the tree, and npm must not take it for a script of its own.
  env: { PATH: process.env.PATH, HOME: process.env.HOME },
});
const sbom = JSON.parse(written);
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));

/** Its entry in the lock file. */
function lockedOf(component) {
  const place = component.properties?.find(({ name }) => name === 'cdx:npm:package:path')?.value;
  return packages[place] ?? {};
}

// As `npm ci --omit=dev --omit=optional` has it; the tool would list the optional peers of others, too.
const isShipped = (component) => {
  const { dev, optional, devOptional } = lockedOf(component);
  return !dev && !optional && !devOptional;
};
sbom.components = sbom.components.filter(isShipped).map((component) => {
  const [algorithm, digest] = lockedOf(component).integrity.split('-');
  if (algorithm !== 'sha512') throw new Error(`${component.name} has no SHA-512 in the lock file.`);
  return { ...component, hashes: [{ alg: 'SHA-512', content: Buffer.from(digest, 'base64').toString('hex') }] };
});
const refs = new Set([sbom.metadata.component['bom-ref'], ...sbom.components.map((component) => component['bom-ref'])]);
sbom.dependencies = sbom.dependencies
  .filter(({ ref }) => refs.has(ref))
  .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((one) => refs.has(one)) }));

mkdirSync('dist', { recursive: true });
writeFileSync('dist/sbom.json', `${JSON.stringify(sbom, null, 2)}\n`);
console.log(`dist/sbom.json names ${sbom.components.length} packages.`);
