import { randomBytes } from 'node:crypto';
import type { Agent } from 'node:http';
import { type Answer, ask } from './ask.js';

export const PASSWORD = 'correct horse battery staple';

export type Credentials = { email: string; password: string };

export function freshPerson(): Credentials {
  return { email: `person-${randomBytes(6).toString('hex')}@example.test`, password: PASSWORD };
}

export function register(url: string, body: Credentials, agent?: Agent): Promise<Answer> {
  return ask(url, { method: 'POST', path: '/v1/auth/register', body, ...(agent ? { agent } : {}) });
}

export function logIn(url: string, body: Credentials, headers: Record<string, string> = {}): Promise<Answer> {
  return ask(url, { method: 'POST', path: '/v1/auth/login', body, headers });
}
