import { Type } from 'typebox';
import { Count, Id, NullableText, StrictObject, Timestamp } from '../../shared/schemas.js';

export const TransportSchema = Type.Enum(['cookie', 'body'], {
  description:
    'How the refresh token travels. "body" is for native apps: refused when the request comes from a browser.',
  default: 'cookie',
});

export const RefreshTokenSchema = Type.String({
  minLength: 1,
  maxLength: 512,
  description: 'Only for sessions that were opened with "transport": "body".',
});

export const KnownDeviceSchema = Type.String({
  minLength: 1,
  maxLength: 512,
  description:
    'Makes this device one that the account knows: keep it when you sign out, and send it when you sign in again. Browsers have it in a cookie; this is for "transport": "body".',
});

const USER_EXAMPLE = {
  id: '0199e0a4-7c1e-7d3a-9d0f-6b1f2a3c4d5e',
  email: 'ada@example.com',
  email_verified: false,
  created_at: '2026-11-22T16:00:00.000Z',
};

export const UserSchema = StrictObject(
  {
    id: Id('The user; `sub` in access tokens.'),
    email: Type.String({ maxLength: 254, examples: ['ada@example.com'] }),
    email_verified: Type.Boolean(),
    created_at: Timestamp('When the account was made.'),
  },
  {
    title: 'User',
    description: 'The person whose access token this is.',
    examples: [USER_EXAMPLE],
  },
);

export const TOKEN_RESPONSE_EXAMPLE = {
  access_token: 'eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6IuKApiJ9.eyJzdWIiOiLigKYifQ.c2lnbmF0dXJl',
  token_type: 'Bearer',
  expires_in: 600,
  user: USER_EXAMPLE,
  session: {
    id: '0199e0a4-9b2f-7a10-8c4d-2e7f60b1a9d3',
    created_at: '2026-11-22T16:00:00.000Z',
    idle_expires_at: '2026-12-06T16:00:00.000Z',
    expires_at: '2027-02-20T16:00:00.000Z',
  },
};

export const TokenResponseSchema = StrictObject(
  {
    access_token: Type.String({
      maxLength: 8_192,
      description: 'A JWT (RFC 9068). Send it as `Authorization: Bearer …`.',
    }),
    token_type: Type.Literal('Bearer'),
    expires_in: Count(86_400, { description: 'Lifetime of the access token in seconds.', examples: [600] }),
    refresh_token: Type.Optional(RefreshTokenSchema),
    known_device: Type.Optional(KnownDeviceSchema),
    user: UserSchema,
    session: StrictObject({
      id: Id('The session; `sid` in access tokens.'),
      created_at: Timestamp('When the person signed in.'),
      idle_expires_at: Timestamp('When the session ends unless it is refreshed before.'),
      expires_at: Timestamp('When the session ends in any case.'),
    }),
  },
  {
    title: 'TokenResponse',
    description:
      'Signed in. The refresh token is in the cookie, unless the session was opened with "transport": "body".',
    examples: [TOKEN_RESPONSE_EXAMPLE],
  },
);

export const SessionListSchema = StrictObject(
  {
    sessions: Type.Array(
      StrictObject({
        id: Id('The session.'),
        current: Type.Boolean({ description: 'Whether this request belongs to it.' }),
        created_at: Timestamp('When the person signed in.'),
        last_used_at: Timestamp('When it was last refreshed.'),
        idle_expires_at: Timestamp('When it ends unless it is refreshed before.'),
        expires_at: Timestamp('When it ends in any case.'),
        device: NullableText({
          description: 'What a person would call it, as far as the user agent tells.',
        }),
        user_agent: NullableText(),
        ip: NullableText(),
        transport: TransportSchema,
      }),
      { maxItems: 10_000 },
    ),
  },
  {
    title: 'SessionList',
    description: 'Live sessions, newest first.',
    examples: [
      {
        sessions: [
          {
            id: '0199e0a4-9b2f-7a10-8c4d-2e7f60b1a9d3',
            current: true,
            created_at: '2026-11-22T16:00:00.000Z',
            last_used_at: '2026-11-22T16:10:00.000Z',
            idle_expires_at: '2026-12-06T16:10:00.000Z',
            expires_at: '2027-02-20T16:00:00.000Z',
            device: 'Firefox on Linux',
            user_agent: 'Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0',
            ip: '203.0.113.7',
            transport: 'cookie',
          },
        ],
      },
    ],
  },
);
