import { Type } from 'typebox';
import { Id, NullableText, StrictObject, Timestamp } from '../../shared/schemas.js';
import { EVENT_TYPES, type Event } from './event.js';

export const EventsQuerySchema = StrictObject({
  cursor: Type.Optional(
    Type.String({ minLength: 1, maxLength: 100, description: 'The `next_cursor` of the page before.' }),
  ),
  limit: Type.Optional(
    Type.String({
      maxLength: 3,
      pattern: '^([1-9][0-9]?|100)$',
      description: 'Events a page: 1 to 100; 50 unless given.',
    }),
  ),
});

const Nullable = <Schema extends Type.TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);

const EVENT_EXAMPLE = {
  id: '0199e0a4-9b30-7c21-b0de-5f1f0f9c6f11',
  type: 'login',
  session_id: '0199e0a4-9b2f-7a10-8c4d-2e7f60b1a9d3',
  ip: '203.0.113.7',
  user_agent: 'Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0',
  created_at: '2026-11-22T16:00:00.000Z',
  details: { amr: ['pwd'] },
};

export const EventSchema = StrictObject({
  id: Id('The event.'),
  type: Type.String({
    maxLength: 100,
    description: `What happened, one of: ${EVENT_TYPES.join(', ')}. There may be more later.`,
    examples: ['login'],
  }),
  session_id: Nullable(Id('The session that it happened to or in.')),
  ip: NullableText({ description: 'From where it was asked for; null for what nobody asked for.' }),
  user_agent: NullableText(),
  created_at: Timestamp('When it happened.'),
  details: Type.Object(
    {},
    { additionalProperties: true, description: 'More of it: depends on the type, and may gain members.' },
  ),
});

export const EventListSchema = StrictObject(
  {
    events: Type.Array(EventSchema, { maxItems: 100 }),
    next_cursor: Nullable(
      Type.String({ maxLength: 100, description: 'Where the next page begins; null after the last one.' }),
    ),
  },
  {
    title: 'EventList',
    description: 'What happened, newest first.',
    examples: [{ events: [EVENT_EXAMPLE], next_cursor: null }],
  },
);

export function toEventBody(event: Event): Type.Static<typeof EventSchema> {
  return {
    id: event.id,
    type: event.type,
    session_id: event.sessionId,
    ip: event.ip,
    user_agent: event.userAgent,
    created_at: event.createdAt.toISOString(),
    details: event.details,
  };
}
