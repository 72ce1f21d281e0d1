import type { InjectOptions, LightMyRequestResponse as Response } from 'fastify';
import { expect, test } from 'vitest';
import { createContract } from '../support/contract.js';
import { startMailApp } from '../support/mail-app.js';
import { SUBJECT, tokenOf } from '../support/mail-server.js';
import { readOpenApi, urlOf } from '../support/openapi.js';
import { codeOf, forgetUsedCodes } from '../support/second-factor.js';
import { COOKIE, freshEmail, PASSWORD, readTokens, type SignedIn } from '../support/test-app.js';

const contract = createContract(readOpenApi());

const NEW_PASSWORD = 'another horse, another battery';

/** Asks operations by their id, and notes which of them answered well and as declared. */
async function startWalk() {
  const { app, server } = await startMailApp();
  const done = new Set<string>();
  async function ask(id: string, who?: Partial<SignedIn>, payload?: object, values?: Record<string, string>) {
    const operation = contract.operations.find((one) => one.id === id) ?? expect.unreachable(id);
    const headers = who?.accessToken ? { authorization: `Bearer ${who.accessToken}` } : {};
    const request: InjectOptions = { method: operation.method, url: urlOf(operation, values), headers };
    if (who?.refreshToken) Object.assign(request, { cookies: { [COOKIE]: who.refreshToken } });
    const response: Response = await app.inject({ ...request, ...(payload ? { payload } : {}) });
    expect(contract.faultOf(operation, response), id).toBeUndefined();
    expect(response.statusCode, `${id}: ${response.body}`).toBeLessThan(300);
    done.add(id);
    return response;
  }
  return { ask, server, done };
}

test('answers every operation well, with exactly the status, body and headers that the OpenAPI document declares', async () => {
  const { ask, server, done } = await startWalk();
  for (const id of ['getLiveness', 'getReadiness', 'getJwks']) await ask(id);

  const email = freshEmail();
  const signIn = async () => ({ email, ...readTokens(await ask('login', undefined, { email, password: PASSWORD })) });
  await ask('register', undefined, { email, password: PASSWORD });
  await ask('verifyEmail', undefined, { token: tokenOf(await server.mailTo(email, SUBJECT.verify)) });
  await ask('resendVerification', undefined, { email });
  let person = await signIn();
  person = { email, ...readTokens(await ask('refresh', { refreshToken: person.refreshToken })) };
  const native = (await ask('login', undefined, { email, password: PASSWORD, transport: 'body' })).json();
  await ask('refresh', undefined, { refresh_token: native.refresh_token });
  for (const id of ['getMe', 'listSessions', 'listEvents', 'getSecondFactor']) await ask(id, person);
  await ask('listEvents', person, undefined, { limit: '1' });
  await ask('endSession', person, undefined, { id: native.session.id });
  await ask('reauthenticate', person, { password: PASSWORD });

  const { secret } = (await ask('beginSecondFactor', person)).json();
  await ask('confirmSecondFactor', person, { code: codeOf(secret) });
  await ask('getSecondFactor', person);
  await forgetUsedCodes(person.userId);
  const halfway = (await ask('login', undefined, { email, password: PASSWORD })).json();
  const completed = await ask('completeLogin', undefined, { mfa_token: halfway.mfa_token, code: codeOf(secret) });
  person = { email, ...readTokens(completed) };
  await forgetUsedCodes(person.userId);
  await ask('exportMe', person);
  await ask('renewRecoveryCodes', person, { password: PASSWORD, code: codeOf(secret) });
  await forgetUsedCodes(person.userId);
  await ask('disableSecondFactor', person, { password: PASSWORD, code: codeOf(secret) });

  await ask('endSessions', await signIn(), undefined, { keep_current: 'true' });
  person = await signIn();
  const newEmail = freshEmail();
  await ask('requestEmailChange', person, { new_email: newEmail, password: PASSWORD });
  await ask('confirmEmailChange', undefined, { token: tokenOf(await server.mailTo(newEmail, SUBJECT.change)) });
  person = {
    email,
    ...readTokens(await ask('changePassword', person, { current_password: PASSWORD, new_password: NEW_PASSWORD })),
  };
  await ask('exportMe', person);
  await ask('listEvents', person);
  await ask('logout', person);
  await ask('forgotPassword', undefined, { email: newEmail });
  const token = tokenOf(await server.mailTo(newEmail, SUBJECT.reset));
  await ask('resetPassword', undefined, { token, new_password: PASSWORD });
  const last = readTokens(await ask('login', undefined, { email: newEmail, password: PASSWORD }));
  await ask('deleteMe', last, { password: PASSWORD });

  expect([...done].sort()).toEqual(contract.operations.map(({ id }) => id).sort());
});

test('sees what an answer should not be', async () => {
  const { ask } = await startWalk();
  const register = contract.operations.find(({ id }) => id === 'register') ?? expect.unreachable();
  const good = await ask('register', undefined, { email: freshEmail(), password: PASSWORD });
  const { json: _json, ...plain } = good;
  const fault = (change: Partial<Response>) => contract.faultOf(register, { ...plain, ...change } as Response);
  expect(fault({})).toBeUndefined();
  expect(fault({ statusCode: 418 })).toContain('418 is not declared');
  expect(fault({ statusCode: 500 })).toContain('500');
  expect(fault({ body: JSON.stringify({ ...good.json(), password_hash: 'x' }) })).toContain('additional properties');
  expect(fault({ body: good.body.replace('"Bearer"', '"MAC"') })).toContain('/token_type');
  expect(fault({ headers: { ...good.headers, 'retry-after': '1' } })).toContain('retry-after');
  expect(fault({ headers: { ...good.headers, 'content-type': 'text/html' } })).toContain('text/html');
  expect(fault({ headers: { ...good.headers, 'x-request-id': undefined } })).toContain('X-Request-Id');
});
