import { Piscina } from 'piscina';
import { afterEach, expect, test, vi } from 'vitest';
import { freshEmail, sharedTestApp } from '../../support/test-app.js';
import { countUsers, expectProblem, post, postRaw } from './support.js';

afterEach(() => {
  vi.restoreAllMocks();
});

const REGISTER = '/v1/auth/register';
const LOGIN = '/v1/auth/login';
const REFRESH = '/v1/auth/refresh';
const LOGOUT = '/v1/auth/logout';
const TAKE_A_BODY = [REGISTER, LOGIN, REFRESH, LOGOUT];

test.each<[string, string | Buffer]>([
  ['nothing but a brace', '{'],
  ['a comma too many', '{"email":"a@b.cd",}'],
  ['single quotes', "{'email':'a@b.cd'}"],
  ['a comment', '{"email":"a@b.cd"/**/}'],
  ['NaN', '{"email":NaN}'],
  ['two documents', '{}{}'],
  ['a raw line break in text', '{"email":"a\nb"}'],
  ['invalid UTF-8', Buffer.from('7b22656d61696c223a22ff227d', 'hex')],
  ['an overlong encoding', Buffer.from('7b22656d61696c223a22c0af227d', 'hex')],
  ['a surrogate in UTF-8', Buffer.from('7b22656d61696c223a22eda080227d', 'hex')],
  ['UTF-8 that breaks off', Buffer.from('7b22656d61696c223a22e282227d', 'hex')],
  ['UTF-16', Buffer.from('\ufeff{"email":"a@b.cd"}', 'utf16le')],
  ['NUL itself', '{"email":"a\0b"}'],
  ['NUL escaped in a value', '{"email":"a\\u0000@example.com","password":"correct horse"}'],
  ['NUL escaped in a password', '{"email":"EMAIL","password":"correct\\u0000horse"}'],
  ['NUL escaped in a name', '{"email":"EMAIL","password":"correct horse","a\\u0000b":1}'],
  ['half a surrogate pair in a value', '{"email":"EMAIL","password":"correct\\ud83dhorse"}'],
  ['the other half', '{"email":"EMAIL","password":"correct\\ude00horse"}'],
  ['the halves in the wrong order', '{"email":"EMAIL","password":"correct\\ude00\\ud83dhorse"}'],
  ['half a surrogate pair in a name', '{"email":"EMAIL","password":"correct horse","\\ud800":1}'],
  ['NUL deep inside', '{"email":"EMAIL","password":{"a":["x",{"b":"\\u0000"}]}}'],
  ['__proto__', '{"email":"EMAIL","password":"correct horse","__proto__":{"transport":"body"}}'],
  ['__proto__ escaped', '{"email":"EMAIL","password":"correct horse","\\u005f_proto__":{"x":1}}'],
  ['__proto__ deep inside', '{"email":{"__proto__":{"x":1}},"password":"correct horse"}'],
  ['constructor.prototype', '{"email":"EMAIL","password":"x","constructor":{"prototype":{"isAdmin":true}}}'],
])('answers 400 to a body with %s, at each address that takes one', async (_name, body) => {
  const { app } = await sharedTestApp();
  const email = freshEmail();
  for (const url of TAKE_A_BODY) {
    const payload = typeof body === 'string' ? body.replace('EMAIL', email) : body;
    expectProblem(await postRaw(app, url, payload), 400, 'malformed_request');
  }
  expect(await countUsers(email)).toBe(0);
  expect(({} as Record<string, unknown>).isAdmin).toBeUndefined();
});

const SECRET = 'sesame-4d9c';
const WRONG: [string, object | null, string][] = [
  ['no password', { email: 'EMAIL' }, '/password'],
  ['no address', { password: SECRET }, '/email'],
  ['an unknown property', { email: 'EMAIL', password: SECRET, is_admin: true }, '/is_admin'],
  ['a property in capitals', { email: 'EMAIL', password: SECRET, Password: SECRET }, '/Password'],
  ['an unknown property with a slash', { email: 'EMAIL', password: SECRET, 'a/b~c': 1 }, '/a~1b~0c'],
  ['a scalar constructor', { email: 'EMAIL', password: SECRET, constructor: 1 }, '/constructor'],
  ['a number for a password', { email: 'EMAIL', password: 12_345_678 }, '/password'],
  ['true for a password', { email: 'EMAIL', password: true }, '/password'],
  ['null for a password', { email: 'EMAIL', password: null }, '/password'],
  ['a list for a password', { email: 'EMAIL', password: [SECRET] }, '/password'],
  ['an object for a password', { email: 'EMAIL', password: { value: SECRET } }, '/password'],
  ['a list for an address', { email: ['EMAIL'], password: SECRET }, '/email'],
  ['Prisma: contains', { email: { contains: '@' }, password: SECRET }, '/email'],
  ['Prisma: not', { email: { not: SECRET }, password: SECRET }, '/email'],
  ['Prisma: startsWith', { email: { startsWith: 'a' }, password: SECRET }, '/email'],
  ['an operator of Mongo', { email: 'EMAIL', password: { $ne: '' } }, '/password'],
  ['a number for an address', { email: 1, password: SECRET }, '/email'],
  ['an empty password', { email: 'EMAIL', password: '' }, '/password'],
  ['an empty address', { email: '', password: SECRET }, '/email'],
  ['257 characters for a password', { email: 'EMAIL', password: SECRET.repeat(24).slice(0, 257) }, '/password'],
  ['255 characters for an address', { email: `${'a'.repeat(250)}@b.cd`, password: SECRET }, '/email'],
  ['an unknown transport', { email: 'EMAIL', password: SECRET, transport: SECRET }, '/transport'],
  ['null for a transport', { email: 'EMAIL', password: SECRET, transport: null }, '/transport'],
  ['a list for a transport', { email: 'EMAIL', password: SECRET, transport: ['cookie'] }, '/transport'],
  ['a list for a body', [{ email: 'EMAIL', password: SECRET }], ''],
];

test.each(WRONG)('answers 422 to %s, names the place and never repeats what was sent', async (_name, body, path) => {
  const hashes = vi.spyOn(Piscina.prototype, 'run');
  const { app } = await sharedTestApp();
  const email = freshEmail();
  const payload = JSON.stringify(body).replaceAll('EMAIL', email);
  for (const url of [REGISTER, LOGIN]) {
    const response = await postRaw(app, url, payload);
    const { errors = [] } = expectProblem(response, 422, 'validation_failed');
    expect(errors.map((error) => error.path)).toContain(path);
    expect(response.body).not.toContain(SECRET.slice(0, 6));
    expect(response.body).not.toContain(email);
  }
  expect(await countUsers(email)).toBe(0);
  expect(hashes).not.toHaveBeenCalled();
});

test.each([null, 1, 'text', true])(
  'answers 422 where the body is %j, and 415 or 422 where there is none',
  async (body) => {
    const { app } = await sharedTestApp();
    for (const url of [REGISTER, LOGIN]) {
      expectProblem(await postRaw(app, url, JSON.stringify(body)), 422, 'validation_failed');
      expectProblem(await postRaw(app, url, ''), 422, 'validation_failed');
      expectProblem(await post(app, url), 422, 'validation_failed');
    }
  },
);

test.each([
  ['a number', { refresh_token: 1 }],
  ['a list', { refresh_token: ['x'] }],
  ['an object', { refresh_token: { startsWith: '' } }],
  ['null', { refresh_token: null }],
  ['nothing', { refresh_token: '' }],
  ['513 characters', { refresh_token: 'x'.repeat(513) }],
  ['an unknown property beside it', { refresh_token: 'x', transport: 'body' }],
])('answers 422 to refresh and logout with %s for a token', async (_name, body) => {
  const { app } = await sharedTestApp();
  for (const url of [REFRESH, LOGOUT]) expectProblem(await post(app, url, body), 422, 'validation_failed');
});

const nested = (open: string, close: string, levels: number) => open.repeat(levels) + close.repeat(levels);

test.each([
  ['10,000 levels of lists', nested('[', ']', 10_000), [413, 422]],
  ['10,000 levels of objects', `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`, [413, 422]],
  ['as many levels of lists as fit', nested('[', ']', 8_100), [400, 422]],
  ['as many levels of objects as fit', `${'{"a":'.repeat(2_700)}1${'}'.repeat(2_700)}`, [400, 422]],
  ['a deep password', `{"email":"a@b.cd","password":${nested('[', ']', 8_000)}}`, [400, 422]],
  ['a password of a megabyte', JSON.stringify({ email: 'a@b.cd', password: 'x'.repeat(1_000_000) }), [413]],
])('refuses %s quickly, with nothing hashed', async (_name, payload, statuses) => {
  const hashes = vi.spyOn(Piscina.prototype, 'run');
  const { app, logLines } = await sharedTestApp();
  let fastest = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const startedAt = performance.now();
    const response = await postRaw(app, LOGIN, payload);
    fastest = Math.min(fastest, performance.now() - startedAt);
    expect(statuses).toContain(response.statusCode);
    expectProblem(response, response.statusCode, response.json().code);
  }
  expect(fastest).toBeLessThan(10);
  expect(hashes).not.toHaveBeenCalled();
  expect(logLines().filter(({ level }) => level === 'error')).toEqual([]);
});
