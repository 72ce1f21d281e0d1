import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { EventListSchema, EventsQuerySchema, toEventBody } from './event-schemas.js';
import type { EventService } from './event-service.js';

const DEFAULT_LIMIT = '50';

/** What happened to a person's own account: behind the gate. */
export const eventRoutes: FastifyPluginAsyncTypebox<{ events: EventService }> = async (app, { events }) => {
  app.get(
    '/v1/me/events',
    {
      schema: {
        operationId: 'listEvents',
        tags: ['Accounts'],
        summary: 'What happened to my account?',
        description:
          'Sign-ins and failed ones, endings of sessions, changes of the password, the address and the second factor. Newest first, page by page: what happens while you page moves nothing. Events leave after the retention.',
        querystring: EventsQuerySchema,
        response: { 200: EventListSchema },
      },
    },
    async ({ auth, query }) => {
      const { cursor = null, limit = DEFAULT_LIMIT } = query;
      const page = await events.list(auth.sub, cursor, Number(limit));
      return { events: page.events.map(toEventBody), next_cursor: page.nextCursor };
    },
  );
};
