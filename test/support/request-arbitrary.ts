import fc from 'fast-check';
import type { JsonSchema, Operation } from './openapi.js';

/** Who asks: with what for an access token, and with what in the cookie. */
export type Credentials = {
  bearer: 'good' | 'garbage' | 'none' | 'refresh token';
  cookie: 'good' | 'garbage' | 'none' | 'twice';
};

/** What is done to a body that is good but for that. */
export type BodyChange =
  | { kind: 'nothing' }
  | { kind: 'set'; name: string; value: unknown }
  | { kind: 'drop'; name: string }
  | { kind: 'add'; name: string; value: unknown }
  | { kind: 'replace'; value: unknown }
  | { kind: 'raw'; text: string; contentType: string };

export type FuzzedRequest = Credentials & {
  body: BodyChange;
  parameters: Record<string, string>;
  query: string;
  headers: Record<string, string>;
};

const LIKELY_NAMES = ['__proto__', 'constructor', 'toString', 'id', 'is_admin', 'user_id', 'Password', ''];

/** Values of every type, and those at which something changes. */
function valueFor({ minLength = 0, maxLength = 256 }: JsonSchema): fc.Arbitrary<unknown> {
  const lengths = [0, minLength - 1, minLength, minLength + 1, maxLength - 1, maxLength, maxLength + 1, 5_000, 17_000];
  return fc.oneof(
    fc.constantFrom(...lengths.filter((length) => length >= 0)).map((length) => 'x'.repeat(length)),
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.string({ unit: 'grapheme', maxLength: 40 }),
    fc.constantFrom('\0', '\ud800', 'a@b', 'ada@example.test', '000000', '4k7qm-x9d2c', 'cookie', 'body', ' ', '%00'),
    fc.constantFrom(null, true, false, 0, -1, 1.5, 2 ** 53, {}, [], [[]], { contains: 'a' }, { not: '' }, ['x']),
    fc.emailAddress({ size: 'small' }).map((address) => `fuzz-${address}`),
    fc.jsonValue({ maxDepth: 3 }),
  );
}

function bodyFor(schema: JsonSchema = {}): fc.Arbitrary<BodyChange> {
  const properties = Object.entries(schema.properties ?? {});
  const value = valueFor({});
  const changes: fc.Arbitrary<BodyChange>[] = [
    fc.constant({ kind: 'nothing' }),
    fc.record({
      kind: fc.constant('add' as const),
      name: fc.oneof(fc.constantFrom(...LIKELY_NAMES), fc.string()),
      value,
    }),
    fc.record({ kind: fc.constant('replace' as const), value }),
    fc.record({
      kind: fc.constant('raw' as const),
      text: fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.constantFrom('', '{', '[]', 'null', '"x"', '{}{}', '{"a":1,"a":2}', '[[[[', '{"__proto__":{}}'),
      ),
      contentType: fc.oneof(
        { weight: 2, arbitrary: fc.constant('application/json') },
        fc.constantFrom(
          '',
          'text/plain',
          'application/x-www-form-urlencoded',
          'application/json; charset=utf-16',
          'multipart/form-data',
        ),
      ),
    }),
  ];
  for (const [name, ofProperty] of properties) {
    changes.push(
      fc.record({ kind: fc.constant('set' as const), name: fc.constant(name), value: valueFor(ofProperty) }),
      fc.constant({ kind: 'drop', name }),
    );
  }
  return fc.oneof(...changes);
}

/** What may stand in a header: Node lets nothing else through. */
const headerText = fc.oneof(
  fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)), maxLength: 60 }),
  fc.constantFrom(
    '',
    '*',
    'null',
    'https://evil.example',
    'same-origin',
    'cross-site',
    '-1',
    '999.1.1.1',
    'x'.repeat(5_000),
  ),
);

const HEADER_NAMES = [
  ...['accept', 'accept-encoding', 'accept-language', 'origin', 'referer', 'sec-fetch-site', 'sec-fetch-mode', 'host'],
  ...['user-agent', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'forwarded', 'x-request-id', 'range'],
  ...['if-none-match', 'if-modified-since', 'traceparent', 'expect', 'prefer', 'access-control-request-method'],
];

/** Requests to an operation: good ones, and such as differ from a good one in a place or two. */
export function requestsTo({ body, parameters }: Operation): fc.Arbitrary<FuzzedRequest> {
  const names = parameters.map(({ name }) => name);
  return fc.record({
    bearer: fc.oneof(
      { weight: 5, arbitrary: fc.constant('good' as const) },
      fc.constantFrom('garbage' as const, 'none' as const, 'refresh token' as const),
    ),
    cookie: fc.constantFrom('good' as const, 'garbage' as const, 'none' as const, 'none' as const, 'twice' as const),
    body: bodyFor(body),
    parameters: fc.dictionary(
      fc.constantFrom('none', ...names),
      fc.oneof(
        fc.string({ unit: 'binary', maxLength: 130 }),
        fc.constantFrom('', '0', '1', '100', '101', 'true', 'false', 'TRUE', '%', '..', "' OR 1=1", 'x'.repeat(101)),
        fc.uuid(),
      ),
      { maxKeys: 2 },
    ),
    query: fc.oneof(
      { weight: 6, arbitrary: fc.constant('') },
      fc.constantFrom('limit=1&limit=2', 'unknown=1', '__proto__=1', 'cursor[]=1', '&&&', '=', 'keep_current'),
    ),
    headers: fc.dictionary(fc.constantFrom(...HEADER_NAMES), headerText, { maxKeys: 2 }),
  });
}
