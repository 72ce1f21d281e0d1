import { Type } from 'typebox';
import { Count, Id, MAX_INT32, NullableText, StrictObject, Timestamp } from '../../shared/schemas.js';
import { EventSchema } from '../audit/event-schemas.js';

const NullableTimestamp = Type.Union([Timestamp(''), Type.Null()]);

/** What an export holds: for the reference, since it is written page by page. */
export const ExportSchema = StrictObject(
  {
    user: StrictObject({
      id: Id('The user.'),
      email: Type.String({ maxLength: 254 }),
      email_verified_at: NullableTimestamp,
      created_at: Timestamp('When the account was made.'),
    }),
    second_factor: Type.Union([
      StrictObject({
        enrolled_at: Timestamp('When enrolling began.'),
        confirmed_at: NullableTimestamp,
        recovery_codes_left: Count(100),
      }),
      Type.Null(),
    ]),
    one_time_tokens: Type.Array(
      StrictObject({
        purpose: Type.String({ maxLength: 100 }),
        created_at: Timestamp('When it was mailed.'),
        expires_at: Timestamp('Until when it is good.'),
      }),
      { description: 'Links that were mailed and not used yet.' },
    ),
    mails: Type.Array(
      StrictObject({
        kind: Type.String({ maxLength: 100 }),
        created_at: Timestamp('When it was to be sent.'),
        next_attempt_at: Timestamp('When it is tried next.'),
        failed_at: NullableTimestamp,
      }),
      { description: 'Mails that wait, or could not be sent.' },
    ),
    sessions: Type.Array(
      StrictObject({
        id: Id('The session.'),
        transport: Type.String({ maxLength: 100 }),
        created_at: Timestamp('When it was opened.'),
        authenticated_at: Timestamp('When the person last proved who they are in it.'),
        amr: Type.Array(Type.String({ maxLength: 100 }), { maxItems: 10, description: 'How (RFC 8176).' }),
        last_used_at: Timestamp('When it was last refreshed.'),
        idle_expires_at: Timestamp('When it ends unless it is refreshed before.'),
        expires_at: Timestamp('When it ends in any case.'),
        ended_at: NullableTimestamp,
        end_reason: NullableText(),
        user_agent: NullableText(),
        ip: NullableText(),
      }),
      { description: 'Ended ones too, until the retention.' },
    ),
    reuse_incidents: Type.Array(
      StrictObject({
        id: Id('The incident.'),
        session_id: Id('The session that was ended for it.'),
        detected_at: Timestamp('When the old token came back.'),
        generation: Count(MAX_INT32),
        presented_generation: Count(MAX_INT32),
        rotated_at: Timestamp('When it had been replaced.'),
        session_user_agent: NullableText(),
        session_ip: NullableText(),
        user_agent: NullableText(),
        ip: NullableText(),
      }),
    ),
    events: Type.Array(EventSchema, { description: 'Newest first.' }),
  },
  { title: 'Export', description: 'All that is kept on a person, but for secrets and hashes of them.' },
);
