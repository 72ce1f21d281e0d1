import type { FastifyInstance, FastifyRequest } from 'fastify';
import { DomainError } from '../shared/domain-error.js';

export type OriginRule = ReturnType<typeof createOriginRule>;

/**
 * Who may make the browser act for its user: pages of this very origin and of the allowed ones (Fetch Metadata;
 * RFC 9700 §2.1; the cookie's SameSite alone lets sibling subdomains through).
 *
 * @param trustedOrigins the service's own origin and those of ALLOWED_ORIGINS
 */
export function createOriginRule(
  trustedOrigins: readonly string[],
  carriesCookie: (request: FastifyRequest) => boolean,
) {
  const trusted = new Set(trustedOrigins);

  function isForeign({ headers: { origin, 'sec-fetch-site': site } }: FastifyRequest): boolean {
    return !isTrustedCaller(trusted, origin, site);
  }

  return {
    /** For every request, once the limits have counted it: asks when the request changes something and carries the refresh cookie. */
    install(app: FastifyInstance): void {
      app.addHook('preParsing', (request, _reply, payload, done) => {
        const isRefused = !isSafe(request.method) && carriesCookie(request) && isForeign(request);
        done(isRefused ? new DomainError('origin_not_allowed') : null, payload);
      });
    },

    /** For sign-in itself: asks always, or a foreign page could sign its visitor in as somebody else (login CSRF). */
    async always(request: FastifyRequest): Promise<void> {
      if (isForeign(request)) throw new DomainError('origin_not_allowed');
    },
  };
}

/** Without either header the caller is no browser, and has no cookies to be tricked with but its own. */
export function isTrustedCaller(
  trusted: ReadonlySet<string>,
  origin: string | undefined,
  site: string | string[] | undefined,
): boolean {
  if (site === 'same-origin' || site === 'none') return true;
  if (origin !== undefined) return trusted.has(origin);
  return site === undefined;
}

function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}
