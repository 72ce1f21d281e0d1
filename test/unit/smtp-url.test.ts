import { expect, test } from 'vitest';
import { readSmtpUrl } from '../../src/modules/mail/smtp-transport.js';

test.each([
  ['smtp://mail.example', { host: 'mail.example', port: 587, secure: false, ignoreTLS: false, requireTLS: false }],
  ['smtps://mail.example', { host: 'mail.example', port: 465, secure: true, requireTLS: false }],
  ['smtp://127.0.0.1:1025', { host: '127.0.0.1', port: 1025 }],
  ['smtp://[::1]:25', { host: '::1', port: 25 }],
  ['smtp://relay:25?tls=off', { ignoreTLS: true, requireTLS: false }],
  [
    'smtp://apikey:p%40ss%2Fw%3Ard@mail.example:2525',
    { port: 2525, requireTLS: true, auth: { user: 'apikey', pass: 'p@ss/w:rd' } },
  ],
  ['smtp://a:b@relay?tls=off', { ignoreTLS: true, requireTLS: false, auth: { user: 'a', pass: 'b' } }],
  ['smtps://a:b@mail.example?tls=off', { secure: true, ignoreTLS: false }],
])('reads %s', (url, expected) => {
  expect(readSmtpUrl(url)).toMatchObject(expected);
});

test('gives a password to no server that has not shown a certificate, and takes no other option from the address', () => {
  expect(readSmtpUrl('smtp://mail.example?debug=true&logger=true&tls.rejectUnauthorized=false')).toEqual({
    host: 'mail.example',
    port: 587,
    secure: false,
    ignoreTLS: false,
    requireTLS: false,
  });
});
