import { Readable } from 'node:stream';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { ExportSchema } from './export-schemas.js';
import type { ExportService } from './export-service.js';

/** A person's own data, to take along: behind the gate. */
export const exportRoutes: FastifyPluginAsyncTypebox<{ exports: ExportService }> = async (app, { exports }) => {
  app.get(
    '/v1/me/export',
    {
      // It would read everything, for a header.
      exposeHeadRoute: false,
      schema: {
        operationId: 'exportMe',
        tags: ['Accounts'],
        summary: 'All that is kept on me',
        description: 'A JSON file: the account, sessions, incidents, events and what waits. It never holds a secret.',
        response: { 200: ExportSchema },
      },
    },
    async ({ auth }, reply) => {
      const parts = await exports.write(auth.sub);
      reply
        .type('application/json; charset=utf-8')
        .header('content-disposition', `attachment; filename="account-${auth.sub}.json"`);
      // Written as it is read, and so past the schema, which a test holds it against.
      return reply.send(Readable.from(parts) as never);
    },
  );
};
