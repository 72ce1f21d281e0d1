import { expect, test } from 'vitest';
import { register, sharedTestApp } from '../../support/test-app.js';
import { exchange } from './support.js';

test.each([
  ['__proto__', '__proto__: authorization=Bearer'],
  ['constructor', 'constructor: prototype'],
  ['prototype', 'prototype: x'],
  ['toString', 'toString: x'],
  ['hasOwnProperty', 'hasOwnProperty: 1'],
  ['Cookie, which names __proto__ and constructor', 'Cookie: __proto__=x; constructor=y; toString=z; hasOwnProperty=1'],
  ['Cookie, which says it in percent signs', 'Cookie: %5f_proto__=x; __Host-refresh_tok%65n=y'],
])('takes no header named %s for anything, and lives on', async (_name, line) => {
  const { app, logLines } = await sharedTestApp();
  const { accessToken } = await register(app);
  const ask = (request: string) =>
    exchange(
      app,
      `${request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${line}\r\nContent-Length: 0\r\n`.concat('\r\n'),
    );
  expect(await ask('GET /v1/me')).toMatchObject({ status: 401, body: expect.stringContaining('access_token_missing') });
  expect(await ask('POST /v1/auth/refresh')).toMatchObject({
    status: 401,
    body: expect.stringContaining('refresh_token_missing'),
  });
  expect(await ask(`GET /v1/me HTTP/1.1\r\nAuthorization: Bearer ${accessToken}\r\nX-Rest:`)).toMatchObject({
    status: 200,
  });
  const plain = {} as Record<string, unknown>;
  expect(plain.authorization ?? plain.x ?? plain.prototype).toBeUndefined();
  expect(logLines().filter(({ level }) => level === 'error')).toEqual([]);
});
