import { Type } from 'typebox';
import { ProblemSchema } from '../../shared/problem.js';
import { Id, StrictObject, Timestamp } from '../../shared/schemas.js';

const MAX_OFFLINE_SECONDS = 60;
const MAX_GENERATION = 2_147_483_647;

export const OfflineSchema = StrictObject({
  seconds: Type.Integer({ minimum: 0, maximum: MAX_OFFLINE_SECONDS, description: '0 ends it.' }),
});

export const ExpiredTokenSchema = StrictObject({ access_token: Type.String() });

export const ReplaySchema = StrictObject({
  generation: Type.Integer({
    minimum: 1,
    maximum: MAX_GENERATION,
    description: "Which of the session's refresh tokens.",
  }),
});

/** What the thief was told. Of a token response no more than that it was one: no token is in it. */
export const ReplayedSchema = StrictObject({
  status: Type.Integer(),
  body: Type.Union([
    ProblemSchema,
    StrictObject({
      token_type: Type.Literal('Bearer'),
      expires_in: Type.Integer(),
      session: StrictObject({ id: Id('') }),
    }),
  ]),
});

export type Replayed = Type.Static<typeof ReplayedSchema>;

const Nullable = <Schema extends Type.TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);

export const SessionStateSchema = StrictObject({
  id: Id('The session.'),
  generation: Type.Integer({ description: 'The n of its newest refresh token.' }),
  confirmed_generation: Type.Integer({ description: 'The newest one that its client is known to have received.' }),
  rotated_at: Timestamp('When it was last refreshed.'),
  ended_at: Nullable(Timestamp('When it ended.')),
  end_reason: Nullable(Type.String({ description: 'Why.' })),
});

export type SessionState = Type.Static<typeof SessionStateSchema>;
