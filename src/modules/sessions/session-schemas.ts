import { Type } from 'typebox';
import { Id, StrictObject, Timestamp } from '../../shared/schemas.js';

export const TransportSchema = Type.Union([Type.Literal('cookie'), Type.Literal('body')], {
  description:
    'How the refresh token travels. "body" is for native apps: refused when the request comes from a browser.',
  default: 'cookie',
});

export const RefreshTokenSchema = Type.String({
  minLength: 1,
  maxLength: 512,
  description: 'Only for sessions that were opened with "transport": "body".',
});

export const UserSchema = StrictObject(
  {
    id: Id('The user; `sub` in access tokens.'),
    email: Type.String({ examples: ['ada@example.com'] }),
    email_verified: Type.Boolean(),
    created_at: Timestamp('When the account was made.'),
  },
  { title: 'User' },
);

export const TokenResponseSchema = StrictObject(
  {
    access_token: Type.String({ description: 'A JWT (RFC 9068). Send it as `Authorization: Bearer …`.' }),
    token_type: Type.Literal('Bearer'),
    expires_in: Type.Integer({ description: 'Lifetime of the access token in seconds.', examples: [600] }),
    refresh_token: Type.Optional(RefreshTokenSchema),
    user: UserSchema,
    session: StrictObject({
      id: Id('The session; `sid` in access tokens.'),
      created_at: Timestamp('When the person signed in.'),
      idle_expires_at: Timestamp('When the session ends unless it is refreshed before.'),
      expires_at: Timestamp('When the session ends in any case.'),
    }),
  },
  { title: 'TokenResponse' },
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
        user_agent: Type.Union([Type.String(), Type.Null()]),
        ip: Type.Union([Type.String(), Type.Null()]),
        transport: TransportSchema,
      }),
    ),
  },
  { title: 'SessionList' },
);
