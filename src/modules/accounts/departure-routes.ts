import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { readClientInfo } from '../../shared/client-info.js';
import { NoContent, StrictObject } from '../../shared/schemas.js';
import type { RefreshCookie } from '../sessions/refresh-cookie.js';
import { PasswordSchema } from './account-schemas.js';
import type { DepartureService } from './departure-service.js';

type DepartureRoutesOptions = {
  departures: DepartureService;
  cookie: RefreshCookie;
  clearSiteData: boolean;
  recentAuthSeconds: number;
};

/** Leaving: behind the gate. */
export const departureRoutes: FastifyPluginAsyncTypebox<DepartureRoutesOptions> = async (app, options) => {
  const { departures, cookie, clearSiteData, recentAuthSeconds } = options;

  app.delete(
    '/v1/me',
    {
      schema: {
        operationId: 'deleteMe',
        tags: ['Accounts'],
        summary: 'Delete my account',
        description:
          'Signs out every device and deletes the account with all that is kept on it; there is no way back. Events stay for auditors until the retention, without address, place, device or session. The address can register anew, as another account.',
        body: StrictObject({ password: PasswordSchema }, { title: 'Departure' }),
        response: { 204: NoContent('Gone; the cookie is cleared.') },
      },
      config: {
        setsCookie: true,
        requireRecentAuth: recentAuthSeconds,
        errors: ['invalid_credentials', 'too_many_attempts', 'origin_not_allowed', 'overloaded'],
      },
    },
    async (request, reply) => {
      await departures.leave(request.auth.sub, request.body.password, readClientInfo(request), request.clientGone);
      cookie.clear(reply);
      if (clearSiteData) reply.header('clear-site-data', '"cache", "storage"');
      return reply.code(204).send(null);
    },
  );
};
