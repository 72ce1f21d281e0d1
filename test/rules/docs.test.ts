import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ConfigSchema } from '../../src/config-schema.js';
import { anchorsOf, linksOf, type Page, readPages } from './markdown.js';

const pages = readPages();
const byFile = new Map(pages.map((page) => [page.file, page]));

test('the pages are found, and links in them', () => {
  expect(pages.length).toBeGreaterThan(30);
  expect(pages.flatMap(linksOf).length).toBeGreaterThan(100);
});

test('every relative link and picture leads to a file that is there, and every anchor to a heading', () => {
  const broken = everyLink(isRelative).filter(({ page, link }) => {
    const { file, anchor } = resolveLink(page, link);
    if (!existsSync(file)) return true;
    const target = byFile.get(file);
    return anchor !== '' && target !== undefined && !anchorsOf(target).has(anchor);
  });
  expect(broken.map(nameLink)).toEqual([]);
});

test('every link outwards is well-formed and https, but for this machine', () => {
  const wrong = everyLink((link) => !isRelative(link)).filter(({ link }) => {
    if (link.startsWith('mailto:')) return false;
    if (!URL.canParse(link)) return true;
    const { protocol, hostname } = new URL(link);
    return protocol !== 'https:' && !(protocol === 'http:' && /^(localhost|127\.0\.0\.1)$/.test(hostname));
  });
  expect(wrong.map(nameLink)).toEqual([]);
});

test('every page of docs is at most two clicks from the README', () => {
  const readme = pageOf('README.md');
  const near = new Set([readme, ...pagesLinkedFrom(readme)]);
  const reached = new Set([...near, ...[...near].flatMap(pagesLinkedFrom)]);
  const lost = pages.filter((page) => page.file.startsWith('docs/') && !reached.has(page));
  expect(
    lost.map(({ file }) => file),
    'docs/README.md lists the pages, one a line',
  ).toEqual([]);
});

test('every statement about another product has a source, or says that none was found', () => {
  const rows = [...pageOf('docs/comparison.md').text.matchAll(/^\| (?!\*\*|product|---)(.*) \|$/gm)].map(
    ([row]) => row,
  );
  expect(rows.length).toBeGreaterThan(50);
  expect(rows.filter((row) => !/\]\(https:\/\/[^)]+\)[^|]*\|$|not found/.test(row))).toEqual([]);
});

test('every npm command that a page names is in a package.json', () => {
  const known = new Set([...scriptsOf('package.json'), ...scriptsOf('bench/package.json')]);
  const unknown = pages.flatMap(({ file, text }) =>
    [...text.matchAll(/\bnpm run (?:-s |--silent )?([\w:-]+)/g)]
      .filter(([, name = '']) => !known.has(name))
      .map(([command]) => `${file}: ${command}`),
  );
  expect(unknown).toEqual([]);
});

test('every environment variable that a page names is one that something reads', () => {
  const configured = new Set(Object.keys(ConfigSchema.properties));
  const elsewhere = readAll(['deploy', 'scripts', 'test', 'bench', 'compose.yaml']);
  const unknown = pages.flatMap(({ file, text }) =>
    [...text.matchAll(/`([A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9])(?:=[^`\n]*)?`/g)]
      .map(([, name = '']) => name)
      // OpenTelemetry's and Node's own.
      .filter((name) => !configured.has(name) && !/^(OTEL|NODE)_/.test(name))
      .filter((name) => !new RegExp(`\\b${name}\\b`).test(elsewhere))
      .map((name) => `${file}: ${name}`),
  );
  expect(unknown).toEqual([]);
});

function isRelative(link: string): boolean {
  return !/^[a-z][a-z0-9+.-]*:/i.test(link);
}

function everyLink(which: (link: string) => boolean): { page: Page; link: string }[] {
  return pages.flatMap((page) =>
    linksOf(page)
      .filter(which)
      .map((link) => ({ page, link })),
  );
}

function nameLink({ page, link }: { page: Page; link: string }): string {
  return `${page.file}: ${link}`;
}

function resolveLink(page: Page, link: string): { file: string; anchor: string } {
  const [target = '', anchor = ''] = link.split('#');
  const file = target === '' ? page.file : path.join(path.dirname(page.file), decodeURIComponent(target));
  return { file: file.replace(/\/$/, ''), anchor };
}

/** A link to a folder leads to its README. */
function pagesLinkedFrom(page: Page): Page[] {
  return linksOf(page)
    .filter(isRelative)
    .map((link) => resolveLink(page, link).file)
    .flatMap((file) => byFile.get(file) ?? byFile.get(path.join(file, 'README.md')) ?? []);
}

function pageOf(file: string): Page {
  const page = byFile.get(file);
  if (!page) throw new Error(`There is no ${file}.`);
  return page;
}

function scriptsOf(file: string): string[] {
  if (!existsSync(file)) return [];
  const { scripts = {} }: { scripts?: Record<string, string> } = JSON.parse(readFileSync(file, 'utf8'));
  return Object.keys(scripts);
}

function readAll(places: string[]): string {
  return places
    .filter((place) => existsSync(place))
    .flatMap((place) => (statSync(place).isDirectory() ? filesIn(place) : [place]))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesIn(file);
    return /\.(md|png|svg)$/.test(entry.name) ? [] : [file];
  });
}
