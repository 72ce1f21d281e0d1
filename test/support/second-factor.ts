import type { FastifyInstance, LightMyRequestResponse as Response } from 'fastify';
import { Secret, TOTP } from 'otpauth';
import { sql } from './database.js';
import { COOKIE, PASSWORD, readTokens, register, type SignedIn } from './test-app.js';

export type Enrolled = SignedIn & { secret: string; recoveryCodes: string[] };

/**
 * The code that an app shows so many steps from now. Steps 0 and 1 stay good even if a step ends meanwhile; none before
 * and none after is sure to be.
 */
export function codeOf(secret: string, steps = 0): string {
  return TOTP.generate({ secret: Secret.fromBase32(secret), timestamp: Date.now() + steps * 30_000 });
}

/** A code that is wrong now and for the next minutes. */
export function wrongCode(secret: string): string {
  const near = new Set([-3, -2, -1, 0, 1, 2, 3, 4, 5].map((steps) => codeOf(secret, steps)));
  const wrong = ['000000', '111111', '222222', '333333', '444444', '555555', '666666', '777777', '888888', '999999'];
  return wrong.find((code) => !near.has(code)) ?? '';
}

/** As if so much time had gone by that the app shows codes which were never used. */
export async function forgetUsedCodes(userId: string): Promise<void> {
  await sql('UPDATE second_factors SET last_used_step = 0 WHERE user_id = $1', [userId]);
}

/** Turns a second factor on. No code of it is used then. */
export async function enrol<Person extends SignedIn>(
  app: FastifyInstance,
  person: Person,
): Promise<Person & { secret: string; recoveryCodes: string[] }> {
  const begun = await asPerson(app, person, 'POST', '/v1/me/second-factor');
  if (begun.statusCode !== 201) throw new Error(`enrol: ${begun.statusCode} ${begun.body}`);
  const { secret } = begun.json();
  const confirmed = await asPerson(app, person, 'POST', '/v1/me/second-factor/confirm', { code: codeOf(secret) });
  if (confirmed.statusCode !== 200) throw new Error(`confirm: ${confirmed.statusCode} ${confirmed.body}`);
  await forgetUsedCodes(person.userId);
  return { ...person, secret, recoveryCodes: confirmed.json().recovery_codes };
}

/** Somebody new, with a second factor. */
export async function registerWithSecondFactor(app: FastifyInstance): Promise<Enrolled> {
  return enrol(app, await register(app));
}

/** A request with a person's access token. */
export function asPerson(
  app: FastifyInstance,
  { accessToken }: Pick<SignedIn, 'accessToken'>,
  method: 'GET' | 'POST',
  url: string,
  payload?: object,
): Promise<Response> {
  const headers = { authorization: `Bearer ${accessToken}` };
  return app.inject({ method, url, headers, ...(payload === undefined ? {} : { payload }) });
}

/** The first step of signing in. @returns the mfa_token */
export async function beginLogin(app: FastifyInstance, email: string, body: object = {}): Promise<string> {
  const payload = { email, password: PASSWORD, ...body };
  const response = await app.inject({ method: 'POST', url: '/v1/auth/login', payload });
  if (response.json().mfa_required !== true) throw new Error(`login: ${response.statusCode} ${response.body}`);
  return response.json().mfa_token;
}

/** The second step of signing in. */
export function finishLogin(
  app: FastifyInstance,
  mfaToken: string,
  code: string,
  body: object = {},
): Promise<Response> {
  return app.inject({ method: 'POST', url: '/v1/auth/mfa', payload: { mfa_token: mfaToken, code, ...body } });
}

/** The claims of an access token, unverified. */
export function claimsOf(accessToken: string) {
  return JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString('utf8'));
}

/** The types of a person's events, oldest first. */
export async function eventsOf(userId: string): Promise<string[]> {
  const rows = await sql<{ type: string }>('SELECT type FROM events WHERE user_id = $1 ORDER BY created_at, id', [
    userId,
  ]);
  return rows.map(({ type }) => type);
}

/** Lets a person's sign-in be so old, and gives them an access token that says so. */
export async function ageSignIn(app: FastifyInstance, person: SignedIn, seconds: number): Promise<SignedIn> {
  await sql('UPDATE sessions SET authenticated_at = now() - make_interval(secs => $2) WHERE id = $1', [
    person.sessionId,
    seconds,
  ]);
  const refreshed = await app.inject({
    method: 'POST',
    url: '/v1/auth/refresh',
    headers: { cookie: `${COOKIE}=${person.refreshToken}` },
  });
  return { ...person, ...readTokens(refreshed) };
}
