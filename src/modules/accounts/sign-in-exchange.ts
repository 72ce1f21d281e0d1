import type { FastifyReply, FastifyRequest } from 'fastify';
import { readClientInfo } from '../../shared/client-info.js';
import { DomainError } from '../../shared/domain-error.js';
import type { RefreshCookie } from '../sessions/refresh-cookie.js';
import type { Transport } from '../sessions/session.js';
import { writeTokenResponse } from '../sessions/token-response.js';
import type { KnownDeviceCookie } from './known-device-cookie.js';
import type { MfaChallenge } from './mfa-service.js';
import type { SignedIn, SignInContext } from './sign-in.js';

export type Cookies = { refresh: RefreshCookie; knownDevice: KnownDeviceCookie };

/** @throws DomainError `validation_failed` when a browser asks for tokens in the body */
export function readSignInContext(
  request: FastifyRequest,
  body: { transport?: Transport; known_device?: string },
  cookies: Cookies,
): SignInContext {
  return {
    client: readClientInfo(request),
    transport: transportFor(request, body.transport),
    knownDevice: body.known_device ?? cookies.knownDevice.read(request),
    signal: request.clientGone,
  };
}

/** The token response of a sign-in: as any other, and what makes the device a known one. */
export function writeSignedIn(reply: FastifyReply, { grant, knownDevice }: SignedIn, cookies: Cookies) {
  const body = writeTokenResponse(reply, cookies.refresh, grant);
  if (grant.session.transport === 'body') return { ...body, known_device: knownDevice };
  cookies.knownDevice.write(reply, knownDevice);
  return body;
}

/** What the first step of signing in answers where there is a second. It sets no cookie. */
export function writeMfaChallenge({ mfaToken, expiresInSeconds }: MfaChallenge) {
  return {
    mfa_required: true as const,
    mfa_token: mfaToken,
    expires_in: expiresInSeconds,
    methods: ['totp' as const, 'recovery_code' as const],
  };
}

/** Node's own `fetch` sends `Sec-Fetch-Mode` and nothing else of the kind; a browser never sends it alone. */
export function isBrowser({ headers }: FastifyRequest): boolean {
  const ofBrowsers = (name: string) => name.startsWith('sec-fetch-') && name !== 'sec-fetch-mode';
  return headers.origin !== undefined || Object.keys(headers).some(ofBrowsers);
}

/** A page in a browser has no safe place for a refresh token, so it gets none in a body, whatever it asks for. */
function transportFor(request: FastifyRequest, wanted: Transport = 'cookie'): Transport {
  if (wanted === 'body' && isBrowser(request)) {
    const message = 'Browsers keep the refresh token in the cookie: leave "transport" out.';
    throw new DomainError('validation_failed', { errors: [{ path: '/transport', message }] });
  }
  return wanted;
}
