import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { buildTestApp } from '../support/test-app.js';

/** What is read here of Postman's format 2.1. Postman itself writes addresses as objects; a plain string is as good. */
type Folder = { name: string; item: (Folder | Entry)[] };
type Entry = {
  name: string;
  request: { method: string; url: string | { raw: string } };
  event?: { listen: string; script: { exec: string[] } }[];
};
type Variable = { key: string };
type Collection = Folder & { variable: Variable[] };
type Operation = { method: string; path: string };

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];
/** At the end of a request's name: this address or method is not in the API, and the answer says so. */
const REFUSED = /\(refused\)$/;
/** At the end of a request's name: only a service in development has this address, and OpenAPI does not tell of it. */
const DEVELOPMENT = /\(development only\)$/;

const read = (file: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../postman/${file}`, import.meta.url), 'utf8'));
const collection = read('gatehouse.postman_collection.json') as Collection;
const environment = read('gatehouse.postman_environment.json') as { values: Variable[] };

const requests = entriesOf(collection);

test('the collection has a request for every operation of OpenAPI', async () => {
  const operations = await operationsOfOpenApi();
  expect(operations.length).toBeGreaterThan(5);
  const missing = operations.filter((operation) => !requests.some((entry) => asksFor(entry, operation)));
  expect(missing.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
});

test('every request of the collection is an operation of OpenAPI, but for those that are there to be refused or for development', async () => {
  const operations = await operationsOfOpenApi();
  const unknown = requests.filter((entry) => !operations.some((operation) => asksFor(entry, operation)));
  const isMarked = ({ name }: Entry) => REFUSED.test(name) || DEVELOPMENT.test(name);
  expect(unknown.filter((entry) => !isMarked(entry)).map(describeEntry)).toEqual([]);
  // A mark that stayed on a request for which there is an operation now would hide it.
  expect(requests.filter(isMarked).map(describeEntry)).toEqual(unknown.map(describeEntry));
});

test('every request of the collection checks its answer', () => {
  const unchecked = requests.filter((entry) => !testScriptOf(entry).some((line) => /^\s*pm\.test\(/.test(line)));
  expect(unchecked.map(describeEntry)).toEqual([]);
});

test('every variable that the collection uses is declared in it, in the environment or by the request itself', () => {
  const declared = new Set([...environment.values, ...collection.variable].map(({ key }) => key));
  const undeclared = requests.flatMap((entry) => {
    const text = JSON.stringify(entry);
    const own = matches(text, /pm\.variables\.set\('(\w+)'/g);
    const used = [
      ...matches(text, /\{\{(\w+)\}\}/g),
      ...matches(text, /pm\.(?:collectionVariables|environment)\.\w+\('(\w+)'/g),
    ];
    return used
      .filter((name) => !declared.has(name) && !own.includes(name))
      .map((name) => `${describeEntry(entry)}: ${name}`);
  });
  expect(undeclared).toEqual([]);
});

async function operationsOfOpenApi(): Promise<Operation[]> {
  const { app } = await buildTestApp({ DOCS_ENABLED: 'true' });
  await app.ready();
  return Object.entries(app.swagger().paths ?? {}).flatMap(([path, item]) =>
    METHODS.filter((method) => Object.hasOwn(item ?? {}, method)).map((method) => ({
      method: method.toUpperCase(),
      path,
    })),
  );
}

function entriesOf({ item }: Folder): Entry[] {
  return item.flatMap((one) => ('item' in one ? entriesOf(one) : [one]));
}

function asksFor({ request }: Entry, { method, path }: Operation): boolean {
  const asked = pathOf(request).split('/');
  const segments = path.split('/');
  return (
    request.method === method &&
    asked.length === segments.length &&
    segments.every((segment, index) => (isParameter(segment) ? isFilledIn(asked[index]) : segment === asked[index]))
  );
}

const isParameter = (segment: string) => /^\{\w+\}$/.test(segment);
/** A variable, one of Postman's random values, or one of its path variables. */
const isFilledIn = (segment = '') => /^(\{\{\$?\w+\}\}|:\w+)$/.test(segment);

function pathOf({ url }: Entry['request']): string {
  const address = typeof url === 'string' ? url : url.raw;
  const path = /^\{\{base_url\}\}(\/[^?#]*)/.exec(address)?.[1];
  if (path === undefined) throw new Error(`${address} does not begin with {{base_url}}/.`);
  return path;
}

function testScriptOf({ event = [] }: Entry): string[] {
  return event.filter(({ listen }) => listen === 'test').flatMap(({ script }) => script.exec);
}

function describeEntry({ name, request }: Entry): string {
  return `${request.method} ${pathOf(request)} (${name})`;
}

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, name = '']) => name);
}
