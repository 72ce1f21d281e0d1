import { validate as isUuid } from 'uuid';
import { DomainError } from '../../shared/domain-error.js';
import type { Event } from './event.js';
import type { EventRepository } from './event-repository.js';

export type EventPage = {
  events: Event[];
  /** Where the next page begins; null after the last one. */
  nextCursor: string | null;
};

export type EventService = ReturnType<typeof createEventService>;

type EventServiceOptions = { repository: Pick<EventRepository, 'list' | 'ownerOf'> };

/** Tells people what happened to their accounts. */
export function createEventService({ repository }: EventServiceOptions) {
  return {
    /**
     * A page of a person's events, newest first. A cursor is the last event of the page before, so that events that
     * happen meanwhile move nothing. If that one has been deleted for its age, so have all that came before it: the
     * page is empty.
     *
     * @throws DomainError `validation_failed` when the cursor is none of this person
     */
    async list(userId: string, cursor: string | null, limit: number): Promise<EventPage> {
      if (cursor !== null && !isUuid(cursor)) throw badCursor();
      // One more than asked for tells whether there is a next page.
      const found = await repository.list(userId, cursor, limit + 1);
      if (cursor !== null && found.length === 0) {
        const owner = await repository.ownerOf(cursor);
        if (owner !== null && owner !== userId) throw badCursor();
      }
      const events = found.slice(0, limit);
      return { events, nextCursor: found.length > limit ? (events.at(-1)?.id ?? null) : null };
    },
  };
}

function badCursor(): DomainError {
  const message = 'Send the next_cursor of the page before as it came, or none for the first page.';
  return new DomainError('validation_failed', { errors: [{ path: '/cursor', message }] });
}
