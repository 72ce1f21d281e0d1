import type { OpenAPIV3_1 } from 'openapi-types';

const count = (description: string) => ({
  description,
  schema: { type: 'string', pattern: '^[0-9]+$', maxLength: 10 },
});
const text = (description: string) => ({ description, schema: { type: 'string', maxLength: 2_000 } });

/** The headers that a client may want to read. */
export const HEADERS = {
  'Access-Control-Allow-Origin': text('The origin of the page that asks, if it is in ALLOWED_ORIGINS; never `*`.'),
  'X-Request-Id': {
    description: 'Names this request in the logs.',
    schema: { type: 'string', format: 'uuid', maxLength: 36 },
  },
  'RateLimit-Limit': count(
    'How many requests one client address has a minute. Not sent where limits are switched off.',
  ),
  'RateLimit-Remaining': count('How many of them are left.'),
  'RateLimit-Reset': count('In how many seconds the minute is over.'),
  'Retry-After': count('After how many seconds to ask again.'),
  'WWW-Authenticate': text('What is wrong with the access token (RFC 6750), or how old a sign-in may be (RFC 9470).'),
  'Set-Cookie': text('The refresh token and the device, or nothing where the session is one of a native app.'),
};

/** Says of each answer of an operation which headers it may have. */
export function declareHeaders(
  { responses = {} }: OpenAPIV3_1.OperationObject,
  { setsCookie, isLimited }: { setsCookie: boolean; isLimited: boolean },
): void {
  for (const [status, response] of Object.entries(responses)) {
    const names: (keyof typeof HEADERS)[] = ['X-Request-Id', 'Access-Control-Allow-Origin'];
    if (isLimited) names.push('RateLimit-Limit', 'RateLimit-Remaining', 'RateLimit-Reset');
    if (status === '401') names.push('WWW-Authenticate');
    if (status === '429' || status === '503') names.push('Retry-After');
    if (setsCookie && status.startsWith('2')) names.push('Set-Cookie');
    Object.assign(response, {
      headers: Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }])),
    });
  }
}
