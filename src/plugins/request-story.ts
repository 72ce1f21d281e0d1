import { AsyncLocalStorage } from 'node:async_hooks';
import type { FastifyInstance } from 'fastify';
import fastifyPlugin from 'fastify-plugin';

/**
 * Lets whatever is logged on behalf of a request name it, however deep in the services: all lines with one `request_id`
 * tell the story of that request. What serves several requests at once (batches, timers) leaves the story first.
 */
export function createRequestStory() {
  const story = new AsyncLocalStorage<string>();

  return {
    /** The id of the request on whose behalf this runs, if it runs on behalf of one. */
    requestId: (): string | undefined => story.getStore(),

    /** Last before the handler: reading a body would leave the story. */
    plugin: fastifyPlugin(
      async (app: FastifyInstance) => {
        app.addHook('preHandler', (request, _reply, done) => story.run(request.id, done));
      },
      { name: 'request-story' },
    ),
  };
}
